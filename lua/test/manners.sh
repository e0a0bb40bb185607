#!/usr/bin/env bash
# Does the server outlive peers that reset, a reader of its output that is gone, and any kind of
# standard input? And does a signal end it with 0 and soon, though output waits for a peer that
# never reads, without losing what a slow peer does read?
# Usage: manners.sh SKYSOCK
set -euo pipefail
skysock=$1
directory=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$directory"' EXIT

fail() { echo "$*" >&2; exit 1; }

# until_true SECONDS COMMAND...
until_true() {
  local tries=$(($1 * 20))
  shift
  until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "not in time: $*"
    sleep 0.05
  done
}

# serve MODE ARG...: with the standard input $input; "" closes it.
input=/dev/null
serve() {
  : >"$directory/out"
  # Redirected explicitly: bash gives a background job /dev/null.
  if [ -n "$input" ]; then
    "$skysock" --native "$1" --listen 127.0.0.1:0 "${@:2}" \
      <"$input" >"$directory/out" 2>"$directory/err" &
  else
    "$skysock" --native "$1" --listen 127.0.0.1:0 "${@:2}" \
      <&- >"$directory/out" 2>"$directory/err" &
  fi
  server=$!
  until_true 20 grep -q listening "$directory/out"
  address=$(sed -n 's/^listening on //p' "$directory/out")
}

exchange() {
  local answer
  answer=$(echo hello | socat -t 10 - "TCP:$address")
  [ "$answer" = hello ] || fail "'hello' expected, got '$answer'"
}

# ends SIGNAL: with 0 and within 4 s.
ends() {
  local began=$SECONDS status=0
  kill "-$1" "$server"
  wait "$server" || status=$?
  server=
  [ "$status" -eq 0 ] || fail "SIG$1: exit code $status, 0 expected: $(cat "$directory/err")"
  [ $((SECONDS - began)) -le 4 ] || fail "SIG$1: took $((SECONDS - began)) s"
}

# traced COUNT PATTERN: the server's trace has so many steps like that.
traced() {
  [ "$("$skysock" --read-trace "$directory/trace" | grep -cE -- "$2")" -ge "$1" ]
}

full() { grep -q 'warnings=[1-9]' "$directory/err"; }

head -c 100000 /dev/urandom >"$directory/file"
for input in "" "$directory/file" /dev/null; do
  serve echo
  exchange
  exchange
  ends TERM
  [ ! -s "$directory/err" ] || fail "unexpected: $(cat "$directory/err")"
done

# A peer that resets in the middle of a stream: that is what a close with unread bytes does.
serve source --trace "$directory/trace"
for _ in 1 2 3 4 5; do
  exec 3<>"/dev/tcp/${address/://}"
  head -c 200000 <&3 >"$directory/got"
  sleep 0.1
  exec 3>&-
  [ "$(wc -c <"$directory/got")" -eq 200000 ] || fail "200000 bytes expected"
done
until_true 20 traced 5 '\+ (read|write)_failed'
ends INT

# Standard output is a pipe that nobody reads, from the first line on.
exec 8> >(:)
wait $!
"$skysock" --native echo --listen 127.0.0.1:0 --stats 0.05 >&8 2>"$directory/err" &
server=$!
exec 8>&-
until_true 20 grep -q 'packets_S=1' "$directory/err"
ends TERM

# Output that nobody reads, for either signal.
for signal in TERM INT; do
  serve source --stats 0.05
  exec 3<>"/dev/tcp/${address/://}"
  until_true 20 full
  ends "$signal"
  exec 3>&-
done

# The same, but the peer reads once the server waits for it: it gets all, and then the end.
serve source --stats 0.05 --trace "$directory/trace"
exec 3<>"/dev/tcp/${address/://}"
until_true 20 full
kill -TERM "$server"
until_true 20 traced 1 'connected \+ close_pending'
kill -HUP "$server"
wc -c <&3 >"$directory/got"
ends TERM
exec 3>&-
[ "$(cat "$directory/got")" -gt 1000000 ] || fail "only $(cat "$directory/got") bytes came"
traced 1 'draining \+ drained' || fail "what was queued was not sent"
