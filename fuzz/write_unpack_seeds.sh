#!/usr/bin/env bash
# Writes the seeds of unpack_fuzzer, named by what they do: steps of UnpackWorld in unpack_fuzzer.cpp.
# Run in the source tree; the result is committed.
set -euo pipefail
cd "$(dirname "$0")/corpus"
mkdir -p unpack
cd unpack

seed() { printf '%b' "$2" >"$1"; }
id_ud='\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x10'
last_id='\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'
data="\x00\x00$id_ud" # then size choice, piece length - 1, piece, keep

seed text_of_0_bytes "\x00\x01$id_ud\x00\x00t\x01"
seed text_of_127_bytes "\x00\x02$id_ud\x02\x00t\x01"
seed text_of_128_bytes "\x00\x01$last_id\x03\x00t\x01"
seed text_of_129_bytes "\x00\x04$last_id\x04\x00t\x01"
seed text_with_nul "\x00\x04$id_ud\x14\x02t\x00x\x01"
seed text_of_64_kib "\x00\x04$id_ud\x06\x0310.0\x01"
seed close_carries_nothing "\x00\x03$id_ud\x00"
seed data_empty "${data}\x00\x00x\x01\x04"
seed data_popped_in_pieces "${data}\x50\x03abcd\x01\x02\x07\x02\x21\x02\xff\x02\x28"
seed data_joined_from_two_messages "${data}\x14\x02abc\x01${data}\x14\x02xyz\x01\x02\x1e\x04"
seed data_dropped "${data}\x06\x00x\x00${data}\x05\x00y\x01\x04"
seed lines "${data}\x40\x07line\x0atwo\x01\x03\x00\xff\x03\x00\xff\x03\x00\x02\x04"
seed line_separator_cut_in_two "${data}\x07\x02ab\x0d\x01\x03\x01\xff${data}\x01\x00\x0a\x01\x03\x01\xff"
seed line_too_long "${data}\x05\x00a\x01\x03\x03\x10\x03\x00\xff\x04"
seed separator_begins_twice "${data}\x20\x03aaab\x01\x03\x02\x20\x03\x02\x20\x03\x03\x20"
