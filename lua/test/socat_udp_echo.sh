#!/bin/sh
# Does a client that nobody here wrote get its datagrams back from the UDP echo example?
# Usage: socat_udp_echo.sh SKYSOCK udp_echo.lua
set -eu
skysock=$1
echo_lua=$2
directory=$(mktemp -d)
"$skysock" "$echo_lua" 127.0.0.1 0 >"$directory/server" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$directory"' EXIT

tries=100
until grep -q listening "$directory/server"; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || { echo "no 'listening on' line after 10 s" >&2; exit 1; }
  sleep 0.1
done
address=$(sed -n 's/^listening on //p' "$directory/server")

for size in 1 1000 8000; do
  head -c "$size" /dev/urandom >"$directory/sent"
  socat -t 5 -b 65536 -T 5 - "UDP:$address,shut-none" <"$directory/sent" >"$directory/received" &
  client=$!
  tries=100
  until cmp -s "$directory/sent" "$directory/received"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "a datagram of $size bytes did not come back" >&2; exit 1; }
    sleep 0.1
  done
  kill "$client" 2>/dev/null || true
  wait "$client" || true
done

kill -TERM "$server"
status=0
wait "$server" || status=$?
[ "$status" -eq 0 ] || { echo "SIGTERM: exit code $status, 0 expected" >&2; exit 1; }
