#!/usr/bin/env bash
# How fast are the examples under load tools that others wrote? PING by redis-benchmark against ours and redis-server in
# turns, GET by wrk. An error that a tool reports is a failure. Rates mean something for the preset bench on a quiet machine.
# Usage: example_rates.sh SKYSOCK EXAMPLES [REQUESTS [SECONDS]]   (default 1000000 pings per turn, 10 s of GET)
set -euo pipefail
# shellcheck source=lua/test/example_server.sh
. "$(dirname "$0")/example_server.sh"

server_options=(--tuning workers=0)
requests=${3:-1000000}
seconds=${4:-10}

redis-server --port 0 --unixsocket "$directory/socket" --save '' --dir "$directory" >"$directory/redis.log" &
processes+=($!)
start_server "$1" "$2/redis.lua" 2>"$directory/log"
port=${address##*:}
await redis-cli -s "$directory/socket" ping >"$directory/ready" 2>&1
spare=$port # The next one that is free is for redis-server.
until [ "$(redis-cli -s "$directory/socket" config set port "$spare" 2>&1)" = OK ]; do spare=$((spare % 65535 + 1)); done

# pings NAME PORT
pings() {
  redis-benchmark -p "$2" -t ping -n "$requests" -c 50 -P 16 --csv >"$directory/csv" 2>"$directory/errors"
  if grep -qi error "$directory/csv" "$directory/errors"; then fail "$1: $(grep -hi error "$directory/csv" "$directory/errors")"; fi
  sed -n 's/^"PING_MBULK","\([0-9.]*\)",.*/\1/p' "$directory/csv" >"$directory/rate"
  [ -s "$directory/rate" ] || fail "$1: no rate"
  printf '%-12s %10.0f pings/s\n' "$1" "$(cat "$directory/rate")"
}
for _ in 1 2; do
  pings skysock "$port"
  pings redis-server "$spare"
done
stop_server

start_server "$1" "$2/http.lua" 2>"$directory/log"
wrk -t 1 -c 50 -d "${seconds}s" "http://$address/" >"$directory/wrk"
if grep -E 'Socket errors|Non-2xx' "$directory/wrk"; then fail 'wrk saw errors'; fi
awk '/^Requests\/sec:/ { printf "%-12s %10.0f GETs/s\n", "skysock", $2; found = 1 } END { exit !found }' "$directory/wrk"
stop_server
