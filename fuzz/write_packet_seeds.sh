#!/usr/bin/env bash
# Writes the seeds of control_packet_fuzzer and canary_fuzzer: one legal packet of each type, and one
# packet for each way to be illegal. Run in the source tree; the result is committed.
set -euo pipefail
cd "$(dirname "$0")/corpus"
mkdir -p control_packet canary

seed() { printf '%b' "$2" >"control_packet/$1"; }
id='\x11\x00\x00\x00'
owner='\x07\x00\x00\x00'
token='\x00\x00\x00\x00\x01\x00\x00\x00'
address_v4='\x01\x1f\x90\x0a\x00\x00\x01'
address_v6='\x02\x1f\x90\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01'
one='\x01\x00\x00\x00\x00\x00\x00\x00'

seed start "S\x08$id$owner"
seed listen "L\x10$id$owner$token"
seed open "O\x14$id$owner\x50\x00127.0.0.1\x00"
seed open_shortest_host "O\x0c$id$owner\x50\x00h\x00"
seed open_longest_host "O\xd3$id$owner\x50\x00$(printf 'h%.0s' {1..200})\x00"
seed close_soft "K\x09$id$owner\x00"
seed close_abortive "K\x09$id$owner\x01"
seed close_soft_answer "K\x09$id$owner\x02"
seed bind "B\x10$id$owner$token"
seed udp "U\x10$id$owner$token"
seed dial_udp_v4 "N\x17$id$owner$token$address_v4"
seed dial_udp_v6 "N\x23$id$owner$token$address_v6"
seed send_to_v4 "A\x13$id$token$address_v4"
seed send_to_v6 "A\x1f$id$token$address_v6"
seed set_address_v4 "C\x0b$id$address_v4"
seed set_address_v6 "C\x17$id$address_v6"
seed option_nodelay "T\x0d$id\x00$one"
seed option_keepalive_count_most "T\x0d$id\x04\x7f\x00\x00\x00\x00\x00\x00\x00"
seed option_output_limit_most "T\x0d$id\x09\xff\xff\xff\x7f\x00\x00\x00\x00"
seed option_policy_abort "T\x0d$id\x0a$one"
seed hold "H\x11$id$owner\x00\x00\x00\x00\x00\x00\x00\x00\x00"
seed hand_over "H\x11$id$owner\x01\x00\x00\x00\x00\x00\x00\x00\x00"
seed give_back "H\x11$id$owner\x02$token"
seed hand_over_done "H\x11$id$owner\x03\x00\x00\x00\x00\x00\x00\x00\x00"
seed arm_write "W\x04$id"
seed send_high "D\x0c$id$token"
seed send_low "P\x0c$id$token"
seed exit "X\x00"
seed first_and_last_id "S\x08\x01\x00\x00\x00${owner}S\x08\xff\xff\xff\x7f$owner"

seed error_one_byte "S"
seed error_unknown_type "Z\x00"
seed error_payload_short "D\x0c$id"
seed error_payload_long "X\x00\x00"
seed error_length_illegal "S\x07$id\x07\x00\x00"
seed error_id_zero "S\x08\x00\x00\x00\x00$owner"
seed error_id_negative "S\x08\x00\x00\x00\x80$owner"
seed error_flag_unknown "K\x09$id$owner\x04"
seed error_hold_mode_unknown "H\x11$id$owner\x04$token"
seed error_option_unknown "T\x0d$id\x0b$one"
seed error_option_value_too_small "T\x0d$id\x09\x00\x00\x00\x00\x00\x00\x00\x00"
seed error_option_value_too_big "T\x0d$id\x04\x80\x00\x00\x00\x00\x00\x00\x00"
seed error_option_value_negative "T\x0d$id\x08\xff\xff\xff\xff\xff\xff\xff\xff"
seed error_address_family_unknown "C\x0b$id\x03\x1f\x90\x0a\x00\x00\x01"
seed error_address_v4_too_long "C\x0c$id$address_v4\x00"
seed error_address_v6_too_short "A\x13$id$token\x02\x1f\x90\xfe\x80\x00\x00"
seed error_address_missing "N\x10$id$owner$token"
seed error_address_of_dial "N\x17$id$owner$token\x00\x1f\x90\x0a\x00\x00\x01"
seed error_host_unterminated "O\x0d$id$owner\x50\x00abc"
seed error_host_with_nul "O\x0e$id$owner\x50\x00a\x00b\x00"
seed error_host_too_long "O\xd4$id$owner\x50\x00$(printf 'h%.0s' {1..201})\x00"

cp control_packet/{close_soft,close_abortive,start,exit} canary/
