#!/usr/bin/env bash
# Writes the seeds of control_stream_fuzzer, named by what they do. The letters are the operations of
# stream_world.cpp; each seed starts with five bytes of options (sizes, kinds, buffers and limits,
# times, reads). Run in the source tree; the result
# is committed.
set -euo pipefail
cd "$(dirname "$0")/corpus"
mkdir -p control_stream
cd control_stream

seed() { printf '%b' "$2" >"$1"; }
plain='\x00\x00\x00\x00\x00'     # 16 slots, roomy buffers, a ring, level-triggered, direct writes
queued='\x00\x10\x00\x00\x00'    # no direct writes
pipe='\x00\x14\x00\x00\x00'      # the same over a pipe
edges='\x00\x08\x00\x00\x00'     # edge-triggered
edges_tiny='\x30\x19\x05\x00\x02' # the same without direct writes, one read per event, tiny buffers
tiny='\x00\x11\x05\x00\x00'      # connects at once, socket buffers of one byte, no direct writes
tiny_direct='\x00\x01\x05\x00\x00'
two_slots='\x01\x11\x00\x00\x00'
one_event='\x3c\x00\x00\x00\x00' # small batches, small reads
abandoned='\x00\x13\x00\x00\x00' # the server is destroyed as it is
no_linger='\x80\x11\x00\x00\x00'
services='\x00\x80\x00\x00\x00'  # services run on the reactor's thread
limit_refuses='\x00\x11\x15\x00\x00'
limit_aborts='\x00\x11\x55\x00\x00'
listening='L\x00qS\x00\x00q' # id 0 listens for service 1
accepted="${listening}d\x00qS\x00\x01q"
opened='O\x00\x00qq'
cut="${opened}D\x00\xc8D\x00\xc8q" # two long messages, most of them unsent in tiny buffers

seed echo_accepted "$plain${accepted}t\x00\x10qD\x01\x10qg\x00\xffK\x00\x01\x00qe\x00Q"
seed echo_opened "$plain${opened}t\x00\x10qD\x00\x10P\x00\x10qg\x00\xffK\x00\x00\x00qe\x00Q"
seed echo_to_ourselves "$plain${listening}O\x01\x03qqS\x01\x02qD\x01\x20D\x02\x20qqK\x01\x01\x00qQ"
seed two_clients_interleaved "$one_event${listening}d\x00d\x00qqS\x00\x01S\x00\x02qt\x00\xfft\x01\xffqqD\x01\x10D\x02\x10qqQ"
seed low_before_high_in_tiny_buffers "$tiny${opened}P\x00\x40qD\x00\x40P\x00\x40D\x00\x40qg\x00\x01qg\x00\x05qg\x00\xffq"
seed sends_before_connected "${plain}O\x00\x02D\x00\x10P\x00\x10qm\x00\x01qq"
seed short_sends "$queued${opened}i\x01i\x02i\x00D\x00\x20P\x00\x20D\x00\x20qqq"
seed fin_then_rest_is_sent "$tiny${cut}f\x00qg\x00\x20qD\x00\x10q"
seed fin_then_soft_close_with_output "$tiny${cut}f\x00qK\x00\x00\x00qg\x00\x20qQ"
seed soft_close_with_output_then_fin "$tiny${cut}K\x00\x00\x00qt\x00\x05qf\x00qg\x00\x20qQ"
seed soft_close_with_output_then_reset "$tiny${cut}K\x00\x00\x00qz\x00q"
seed soft_close_with_output_times_out "$tiny${cut}K\x00\x00\x00qQS\x00\x00q"
seed abortive_close_with_output "$tiny${cut}K\x00\x00\x01q"
seed reset_while_reading "$plain${opened}t\x00\x10z\x00qqD\x00\x10q"
seed peer_closes_with_unread_output "$plain${opened}D\x00\x10qe\x00qD\x00\x10qq"
seed write_fails_then_data "$tiny${cut}t\x00\x01b\x07\x03\x00g\x00\x01qt\x00\x05qqQ"
seed write_fails_then_close "$tiny${cut}b\x07\x03\x00g\x00\x01qD\x00\x05K\x00\x00\x00q"
seed lingering_peer_goes_on_sending "$plain${opened}K\x00\x00\x00qt\x00\xffqt\x00\xffqf\x00q"
seed close_without_lingering "$no_linger${opened}D\x00\x10qK\x00\x00\x00q"
seed open_refused "${plain}O\x00\x01qqO\x01\x01qqS\x00\x00q"
seed open_unanswered_cancelled "${plain}O\x00\x02qK\x00\x00\x00q"
seed open_unanswered_closed_with_output "${plain}O\x00\x02qD\x00\x10qK\x00\x00\x00qD\x00\x10qm\x00\x01qqq"
seed open_unanswered_closed_times_out "${plain}O\x00\x02qD\x00\x10qK\x00\x00\x00qS\x00\x00qQ"
seed create_lost_then_closed_with_output "${plain}r\x02Z\x15O\x00\x00D\x00\x10K\x00\x00\x00qpO\x00\x00\x09\xffqqQ"
seed create_lost_times_out "${plain}r\x02Z\x15O\x00\x00D\x00\x10K\x00\x00\x00qQ"
seed start_moves_ownership "$plain${accepted}S\x01\x00S\x02\x01qt\x00\x10qK\x02\x01\x02q"
seed close_by_a_stranger_who_waits "$plain${opened}K\x02\x00\x02qK\x02\x00\x02qS\x02\x00q"
seed accepted_never_started "$plain${listening}d\x00d\x00qt\x00\x10z\x01qQ"
seed owner_is_dead "$plain${accepted}y\x00t\x00\x10qd\x00qqQ"
seed slots_run_out "$two_slots${listening}d\x00d\x00qd\x00qO\x00\x00qQ"
seed slot_is_reused_in_one_batch "$two_slots${opened}O\x00\x00qqt\x00\x05t\x01\x05K\x00\x00\x01O\x00\x00qqt\x02\x05q"
seed descriptors_run_out "$plain${listening}u\x00d\x00d\x00qqu\xffd\x00qq"
seed exit_in_the_middle "$plain${opened}XD\x00\x10qt\x00\x10q"
seed destroyed_as_it_is "$abandoned${accepted}O\x00\x02D\x02\x10L\x00D\x01\x10"
seed raw_split_header "$plain${opened}r\x01Kqr\x01\x09qr\x09\x10\x00\x00\x00\x07\x00\x00\x00\x00q"
seed raw_several_packets_per_read "${plain}r\x1eX\x00S\x08\x10\x00\x00\x00\x01\x00\x00\x00Z\x03abcK\x09\x10\x00\x00\x00\x01\x00\x00\x00\x04qX"
seed raw_lost_synchronisation "${plain}r\x02D\xff${accepted}D\x01\x10O\x00\x00qqq"
seed raw_packets_for_real_ids "$plain${accepted}pS\x01\x02\x00\x03pK\x01\x01\x02\x04pX\x00\x00\x00\x01q"
seed raw_tokens_guessed "$queued${opened}O\x00\x00qqpD\x01\x00\x00\xffD\x00\x10pP\x01\x00\x10\xffD\x00\x10qqL\x00pL\x00\x00\x00\xffqq"
seed raw_stale_token_for_another_id "$queued${opened}O\x00\x00qqD\x00\x10qpD\x01\x00\x00\xffD\x00\x10q"
seed raw_send_to_of_another_generation "$queued${opened}pA\x00\x00\x10\xffD\x00\x10qq"
seed low_is_cut_then_high_comes "$tiny${opened}D\x00\x00P\x00\x40qD\x00\x40qg\x00\x05qg\x00\xffq"

# Direct writes.
seed direct_write_then_queued_then_direct "$plain${opened}D\x00\x10P\x00\x10D\x00\x10qD\x00\x10P\x00\x08qq"
seed direct_write_leaves_a_remainder "$tiny_direct${opened}D\x00\x40D\x00\x20P\x00\x20qg\x00\x08qg\x00\xffqn"
seed direct_write_is_cut_then_low "$tiny_direct${opened}D\x00\x40P\x00\x20qg\x00\x10D\x00\x10qn"
seed direct_write_waits_for_what_is_in_the_channel "$plain${opened}P\x00\x10D\x00\x10D\x00\x10qD\x00\x10q"
seed direct_write_fails "$plain${opened}b\x07\x03\x00D\x00\x10qt\x00\x05qQ"
seed direct_write_fails_then_close "$plain${opened}b\x07\x03\x00D\x00\x10K\x00\x00\x00qq"
seed remainder_then_soft_close "$tiny_direct${opened}D\x00\x40K\x00\x00\x00qg\x00\x20qQ"
seed remainder_then_abortive_close "$tiny_direct${opened}D\x00\x40K\x00\x00\x01q"
seed remainder_then_reset "$tiny_direct${opened}D\x00\x40z\x00qq"
# Hold.
seed held_then_started "$plain${opened}H\x00\x00qt\x00\x10qqnS\x00\x00qq"
seed held_then_reset "$plain${opened}H\x00\x00qt\x00\x10z\x00qqq"
seed held_then_fin "$edges${opened}H\x00\x00qt\x00\x10f\x00qqS\x00\x00qq"
seed held_then_closed "$plain${opened}H\x00\x00t\x00\x10qK\x00\x00\x00qq"
seed held_while_connecting "${plain}O\x00\x02qH\x00\x00qm\x00\x01qqt\x00\x10qS\x00\x00qq"
seed held_while_resolving "${plain}R\x00O\x00\x04qH\x00\x00qR\x01qqt\x00\x10qS\x00\x00qq"
seed held_listener "$plain${listening}H\x01\x00qd\x00qS\x01\x00qq"
seed held_after_a_write_failed "$tiny${cut}b\x07\x03\x00g\x00\x01qH\x00\x00qt\x00\x05qS\x00\x00qqQ"
seed held_after_a_write_failed_times_out "$tiny${cut}b\x07\x03\x00g\x00\x01qH\x00\x00qQ"
seed held_datagrams "${plain}N\x00\x00qA\x00\x00\x10qH\x00\x00qa\x00\x00\x10qS\x00\x00qq"
# Hand-over.
seed handed_over_with_unread_bytes "$plain${opened}t\x00\x20qv\x00\x00qV\x00\x00\x08w\x00\x00qt\x00\x10qS\x01\x00qqn"
seed handed_over_to_one_who_waits "$plain${opened}t\x00\x20qv\x00\x00qS\x01\x00qV\x00\x00\x08w\x00\x00qqnt\x00\x10q"
seed handed_over_twice "$plain${opened}t\x00\x20qv\x00\x00qV\x00\x00\x08w\x00\x00qS\x01\x00qv\x01\x00qV\x01\x00\x10w\x01\x00qS\x02\x00qq"
seed handed_over_by_a_stranger "$plain${opened}v\x01\x00qV\x01\x00\x05w\x01\x00qt\x00\x10q"
seed handed_over_done_by_a_stranger "$plain${opened}v\x00\x00qS\x01\x00w\x02\x00qw\x01\x00qw\x00\x00qq"
seed handed_over_after_fin "$plain${opened}t\x00\x20f\x00qqv\x00\x00qV\x00\x00\x04w\x00\x00qS\x01\x00qqK\x01\x00\x00q"
seed handed_over_with_output "$tiny${cut}v\x00\x00qg\x00\x20qw\x00\x00qg\x00\x20S\x01\x00qg\x00\xffqq"
seed handed_over_then_reset "$plain${opened}t\x00\x20qv\x00\x00qz\x00qV\x00\x00\x04w\x00\x00qS\x01\x00qqq"
seed handed_over_and_nobody_comes "$plain${opened}t\x00\x20qv\x00\x00qV\x00\x00\x04w\x00\x00qQ"
seed handed_over_then_closed "$plain${opened}v\x00\x00qK\x00\x00\x02qq"
seed handed_over_busy "$plain${opened}v\x00\x00qS\x01\x00S\x02\x00qw\x00\x00qq"
seed handed_over_by_one_who_is_gone "$plain${opened}t\x00\x20qv\x00\x00qG\x80qS\x01\x00qq"
seed handed_over_to_one_who_is_gone "$plain${opened}t\x00\x20qv\x00\x00qS\x01\x00qG\x81qV\x00\x00\x04w\x00\x00qq"
# Datagrams.
seed datagrams_to_a_default_address "${plain}N\x00\x00qD\x00\x10P\x00\x10qA\x00\x01\x08a\x00\x00\x10a\x01\x00\x05qqn"
seed datagrams_to_addresses "${plain}U\x00\x00qA\x00\x00\x10A\x00\x01\x00A\x00\x02\x05D\x00\x10qqa\x00\x00\x10q"
seed datagrams_on_a_bound_port "${plain}U\x00\x01qa\x00\x00\x20a\x01\x00\x00qA\x00\x00\x10qqK\x00\x00\x00qq"
seed datagrams_v6 "${plain}U\x00\x02qA\x00\x04\x10A\x00\x00\x10C\x00\x04C\x00\x00qD\x00\x10q"
seed datagram_address_changes "${plain}N\x00\x00qD\x00\x10C\x00\x01D\x00\x08qD\x00\x04C\x00\x00D\x00\x04qq"
seed datagram_address_changes_of_streams "$plain${opened}C\x00\x01A\x00\x00\x10q"
seed datagram_to_nobody "${plain}N\x00\x02qD\x00\x10qqD\x00\x10qqP\x00\x10qq"
seed datagram_that_no_kernel_sends "${plain}U\x00\x00qA\x00\x03\x10A\x00\x00\x10qqA\x00\x03\x08qqn"
seed datagrams_before_the_socket_is_there "${plain}N\x00\x00D\x00\x10A\x00\x01\x05K\x00\x00\x00qq"
seed datagrams_closed_with_output "${plain}N\x00\x00qb\x14\x01\x00b\x14\x01\x00b\x14\x01\x00b\x14\x01\x00D\x00\x10qK\x00\x00\x00qqq"
seed datagrams_held_with_output "${plain}N\x00\x00qH\x00\x00qb\x14\x01\x00b\x14\x01\x00b\x14\x01\x00D\x00\x10qqqn"
seed datagrams_blocked "${plain}N\x00\x00qb\x14\x01\x00D\x00\x10D\x00\x08qb\x14\x07\x00D\x00\x08qqq"
# Borrowed descriptors.
seed borrowed_pipe_is_read "${plain}B\x00\x00ql\x00\x00\x10ql\x00\x00\x20ql\x00\x01\x00qqn"
seed borrowed_pipe_is_written "${plain}B\x00\x01qD\x00\x10P\x00\x10ql\x00\x00\xffqK\x00\x00\x00qq"
seed borrowed_pipe_without_a_reader "${plain}B\x00\x01ql\x00\x01\x00qD\x00\x10qqq"
seed borrowed_pipe_is_held "${plain}B\x00\x00qH\x00\x00l\x00\x00\x10ql\x00\x01\x00qqq"
seed borrowed_file "${plain}B\x00\x02qqqD\x00\x10qqK\x00\x00\x00q"
seed borrowed_file_is_held "${edges}B\x00\x02H\x00\x00qqS\x00\x00qqq"
seed borrowed_connection "${plain}B\x00\x03qt\x00\x10qD\x00\x10qg\x00\xffqK\x00\x00\x00qe\x00q"
seed borrowed_connection_drains "${tiny}B\x00\x03qD\x00\x40K\x00\x00\x00qg\x00\x20qq"
seed borrowed_and_closed_before_it_came "${plain}B\x00\x03K\x00\x00\x00qq"
seed borrowed_with_output_before_it_came "${plain}r\x02Z\x10B\x00\x03D\x00\x10K\x00\x00\x00qpB\x00\x00\x00\xffqqQ"
# Names.
seed name_with_two_addresses "${plain}O\x00\x04qqqt\x00\x10qD\x00\x10q"
seed name_with_a_dead_address "${plain}O\x00\x05qqqt\x00\x10q"
seed name_of_ourselves "$plain${listening}O\x01\x07qqqS\x01\x02qD\x01\x20qq"
seed name_that_cannot_be_resolved "${plain}O\x00\x08qqO\x01\x09qq"
seed name_first_address_hangs "${plain}O\x00\x06qqm\x01\x00qqq"
seed name_asked_then_closed "${plain}R\x00O\x00\x04qK\x00\x00\x00qR\x01qq"
seed name_asked_then_closed_with_output "${plain}R\x00O\x00\x04D\x00\x10qK\x00\x00\x00qR\x02qqqg\x00\xffq"
seed name_asked_then_started_by_another "${plain}R\x00O\x00\x04qS\x01\x00qR\x01qqq"
# Time-outs.
seed connect_times_out '\x00\x00\x00\x04\x00O\x00\x02qQ'
seed resolving_times_out '\x00\x00\x00\x04\x00R\x00O\x00\x04qQR\x01q'
seed idle_connection_times_out "\x00\x00\x00\x01\x00${opened}t\x00\x10qh\x03qD\x00\x10qQ"
seed idle_timeout_is_set "$plain${opened}T\x00\x08\x03qh\x09qQ"
seed accepted_never_started_times_out "\x00\x00\x00\x20\x00${listening}d\x00qQ"
# Options and limits.
seed options_all "$plain${opened}T\x00\x00\x01T\x00\x01\x00T\x00\x02\x02T\x00\x03\x02T\x00\x04\x02T\x00\x05\x02T\x00\x06\x02qT\x00\x07\x03T\x00\x09\x02T\x00\x0a\x00T\x00\x09\x06q"
seed options_before_connected "${plain}O\x00\x02T\x00\x00\x01T\x00\x06\x00T\x00\x07\x02qm\x00\x01qqt\x00\x20q"
seed output_limit_refuses "$limit_refuses${opened}D\x00\xffD\x00\xffD\x00\xffqg\x00\xffqD\x00\x10q"
seed output_limit_aborts "$limit_aborts${opened}D\x00\xffD\x00\xffD\x00\xffqD\x00\x10q"
seed output_limit_is_set "$tiny${opened}T\x00\x09\x02T\x00\x0a\x00qD\x00\x40D\x00\x40D\x00\x40qq"
seed warnings "$plain${opened}W\x00qW\x00qnqg\x00\xffq"
seed warnings_then_closed "$queued${opened}W\x00qK\x00\x00\x00qq"
seed warnings_of_a_remainder "$plain${opened}W\x00nqW\x00qS\x01\x00qn"
# Services.
seed services_echo "$services${listening}d\x00qqt\x00\x10qqt\x00\x20qqe\x00qq"
seed services_echo_to_each_other "$services${listening}O\x01\x03qqD\x01\x10qqqqqqnX"
seed services_hand_over "$services${opened}t\x00\x20qv\x00\x00qqS\x01\x00qqt\x00\x10q"
seed services_datagrams "$services${opened}U\x00\x01qa\x00\x00\x20qqn"
seed service_is_gone "$plain${accepted}O\x01\x00qqG\x01qqn"
seed service_is_gone_and_dead "$plain${accepted}G\x81D\x01\x10qqn"
seed stranger_closes_and_waits "$plain${opened}K\x01\x00\x02K\x00\x00\x02qK\x02\x00\x02q"
seed wakes "${plain}kqk${opened}kqn"
# The other poller and the other channel.
seed pipe_echo "$pipe${accepted}t\x00\x10qD\x01\x10qqn"
seed pipe_read_is_interrupted "$pipe${opened}b\x00\x00\x00D\x00\x10qb\x00\x07\x00P\x00\x10qq"
seed edges_echo "$edges${accepted}t\x00\x10qD\x01\x10qqt\x00\xffqqn"
seed edges_reads_are_limited "$edges_tiny${opened}t\x00\xffqqqg\x00\x05D\x00\x20qqg\x00\xffqn"
seed edges_hold_and_start "$edges${opened}t\x00\x10H\x00\x00qt\x00\x10qS\x00\x00qqH\x00\x00z\x00qq"
seed edges_fin_then_rest "$edges_tiny${cut}f\x00qg\x00\x20qK\x00\x00\x00qg\x00\xffq"
seed edges_accept_paused "$edges${listening}u\x00b\x11\x05\x00d\x00qd\x00qd\x00qqu\xffQ"
seed edges_hand_over "$edges${opened}t\x00\x20qv\x00\x00t\x00\x10qV\x00\x00\x08w\x00\x00qS\x01\x00qqf\x00qq"
