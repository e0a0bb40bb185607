#!/usr/bin/env bash
# Writes the seeds of control_stream_fuzzer, named by what they do. The letters are the operations of
# stream_world.cpp; each seed starts with three bytes of options. Run in the source tree; the result
# is committed.
set -euo pipefail
cd "$(dirname "$0")/corpus"
mkdir -p control_stream
cd control_stream

seed() { printf '%b' "$2" >"$1"; }
plain='\x00\x00\x00'        # 16 slots, roomy buffers
tiny='\x00\x01\x05'         # connects at once, socket buffers of one byte
two_slots='\x01\x01\x00'
one_event='\x3c\x00\x00'    # small batches, small reads
abandoned='\x00\x03\x00'    # the server is destroyed as it is
no_linger='\x80\x01\x00'
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
seed short_sends "$plain${opened}i\x01i\x02i\x00D\x00\x20P\x00\x20D\x00\x20qqq"
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
seed raw_tokens_guessed "$plain${opened}O\x00\x00qqpD\x01\x00\x00\xffD\x00\x10pP\x01\x00\x10\xffD\x00\x10qqL\x00pL\x00\x00\x00\xffqq"
seed raw_stale_token_for_another_id "$plain${opened}O\x00\x00qqD\x00\x10qpD\x01\x00\x00\xffD\x00\x10q"
seed low_is_cut_then_high_comes "$tiny${opened}D\x00\x00P\x00\x40qD\x00\x40qg\x00\x05qg\x00\xffq"
