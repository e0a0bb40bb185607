#!/bin/sh
# Does a client that nobody here wrote get its 10 MB back from the echo example, byte for byte, after
# it has shut down its writing side? And does SIGTERM end the server with 0 at once?
# Usage: socat_echo.sh SKYSOCK ECHO.lua [TUNING]
set -eu
skysock=$1
echo_lua=$2
tuning=${3:-poller=epoll_lt}
directory=$(mktemp -d)
"$skysock" --tuning "$tuning" "$echo_lua" 127.0.0.1 0 >"$directory/server" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$directory"' EXIT

tries=100
until grep -q listening "$directory/server"; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || { echo "no 'listening on' line after 10 s" >&2; exit 1; }
  sleep 0.1
done
address=$(sed -n 's/^listening on //p' "$directory/server")

head -c 10000000 /dev/urandom >"$directory/sent"
socat -t 20 - "TCP:$address" <"$directory/sent" >"$directory/received"
cmp "$directory/sent" "$directory/received"

kill -TERM "$server"
status=0
wait "$server" || status=$?
[ "$status" -eq 0 ] || { echo "SIGTERM: exit code $status, 0 expected" >&2; exit 1; }
