#!/bin/sh
# Does skysock end with 0, soon, on SIGTERM and SIGINT: idle, busy, and with its standard descriptors
# closed? And does a service that never gives control back not keep it alive, but get named? With
# and without workers.
# Usage: signals.sh SKYSOCK
set -eu
skysock=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

cat >"$directory/idle.lua" <<'LUA'
local skynet = require "skynet"
local ready = ...
skynet.start(function() assert(io.open(ready, "w")):close() end)
LUA
cat >"$directory/busy.lua" <<'LUA'
local skynet = require "skynet"
local ready = ...
skynet.start(function()
  assert(io.open(ready, "w")):close()
  while true do skynet.yield() end
end)
LUA
cat >"$directory/stuck.lua" <<'LUA'
local skynet = require "skynet"
local ready = ...
skynet.start(function()
  assert(io.open(ready, "w")):close()
  while true do end
end)
LUA

# ends CODE SIGNAL SCRIPT DESCRIPTORS WORKERS: the script gets SIGNAL once it runs; the program must
# end with CODE.
ends() {
  rm -f "$directory/ready"
  options="--tuning workers=$5 --stop-limit 1"
  if [ "$4" = closed ]; then
    # shellcheck disable=SC2086 # Options without spaces.
    timeout -k 20 20 "$skysock" $options "$directory/$3" "$directory/ready" <&- >&- 2>&- &
  else
    # shellcheck disable=SC2086
    timeout -k 20 20 "$skysock" $options "$directory/$3" "$directory/ready" 2>"$directory/said" &
  fi
  program=$!
  tries=100
  until [ -e "$directory/ready" ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "$3 did not start" >&2; exit 1; }
    sleep 0.1
  done
  kill "-$2" "$program" # timeout(1) hands it on.
  status=0
  wait "$program" || status=$?
  [ "$status" -eq "$1" ] || { echo "$3, $2, workers=$5: exit code $status, $1 expected" >&2; exit 1; }
}

# A node that did nothing has dropped nothing: its end alone is not in the last counts.
counts_of_an_idle_node() {  # ARGUMENT...
  "$skysock" --stats 0 "$@" >"$directory/listening" 2>"$directory/counts" &
  program=$!
  tries=100
  until grep -q "^listening on" "$directory/listening"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "skysock $*: does not listen" >&2; exit 1; }
    sleep 0.1
  done
  sleep 0.2
  kill -TERM "$program"
  wait "$program"
  for count in refused_events messages_dropped run_queue_length; do
    grep -qE "(^| )$count=0( |\$)" "$directory/counts" || {
      echo "skysock $*, SIGTERM while idle: $count=0 expected:" >&2
      cat "$directory/counts" >&2
      exit 1
    }
  done
}

for workers in 0 2; do
  counts_of_an_idle_node --tuning "workers=$workers" --native echo --listen 127.0.0.1:0
  counts_of_an_idle_node --tuning "workers=$workers" \
    "$(dirname "$0")/../examples/echo.lua" 127.0.0.1 0
done

for workers in 0 2; do
  ends 0 TERM idle.lua open "$workers"
  ends 0 INT idle.lua open "$workers"
  ends 0 TERM busy.lua open "$workers"
  ends 0 TERM idle.lua closed "$workers"
  ends 4 TERM stuck.lua open "$workers"
  grep -q "did not end: service '$directory/stuck.lua'" "$directory/said" || {
    echo "the service that did not end is not named:" >&2
    cat "$directory/said" >&2
    exit 1
  }
done
