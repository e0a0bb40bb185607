#!/usr/bin/env bash
# Writes the seeds of netpack_fuzzer, named by what they do: steps of NetpackWorld in netpack_fuzzer.cpp.
# Run in the source tree; the result is committed.
set -euo pipefail
cd "$(dirname "$0")/corpus"
mkdir -p netpack
cd netpack

# A format (two, four, two_16, four_300, four_all), then: data of a socket (0 to 2): number of bytes, bytes.
seed() { printf '%b' "$2" >"$1"; }
two='\x00' four='\x01' two_16='\x02' four_300='\x03' four_all='\x04'
data_0='\x00\x00' data_1='\x00\x01' pop='\x0a' close_0='\x0e\x00' error_0='\x0f\x00'

seed one_frame "$two$data_0\x05\x00\x03abc"
seed one_frame_of_4_byte_header "$four$data_0\x07\x00\x00\x00\x03abc"
seed empty_frames "$two$data_0\x06\x00\x00\x00\x00\x00\x00$pop$pop$pop$pop"
seed frame_in_single_bytes "$two$data_0\x01\x00$data_0\x01\x02$data_0\x01a$data_0\x01b"
seed frame_and_tail "$two$data_0\x04\x00\x01a\x00$pop$data_0\x02\x01b"
seed two_sockets_interleaved "$two$data_0\x03\x00\x02a$data_1\x03\x00\x02x$data_0\x01b$data_1\x01y"
seed one_behind_others "$two$data_0\x06\x00\x01a\x00\x01b$data_1\x03\x00\x01c$pop$pop$pop"
seed close_drops_the_partial "$two$data_0\x03\x00\x05a$close_0$data_0\x03\x00\x01b"
seed error_drops_the_partial "$four$data_0\x03\x00\x00\x00$error_0$data_0\x05\x00\x00\x00\x01b"
seed refused_at_once "$two_16$data_0\x02\x00\x11$data_0\x01x$close_0$data_0\x03\x00\x01b"
seed refused_behind_frames "$two_16$data_0\x06\x00\x01a\x00\x11b$pop$pop"
seed refused_in_pieces "$four_300$data_0\x03\x00\x00\x01$data_0\x01\x2d$pop"
seed limit_is_taken "$two_16$data_0\x12\x00\x100123456789abcdef"
seed announces_all_memory "$four_all$data_0\x06\xff\xff\xff\xffab$data_0\x02cd"
