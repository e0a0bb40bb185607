#!/bin/sh
# Does skysock end with 0, soon, on SIGTERM and SIGINT: idle, busy, and with its standard descriptors
# closed? Does a service that never gives control back not keep it alive, but get named? And does
# SIGHUP open the log anew, and nothing else? With and without workers.
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

cat >"$directory/talker.lua" <<'LUA'
local skynet = require "skynet"
skynet.start(function()
  while true do
    skynet.error "a line"
    skynet.sleep(2)
  end
end)
LUA
cat >"$directory/silent.lua" <<'LUA'
local skynet = require "skynet"
skynet.start(function() skynet.error "the only line" end)
LUA

# await WHAT COMMAND...: until it succeeds.
await() {
  what=$1
  shift
  tries=200
  until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "$what" >&2; cat "$directory/said" >&2; exit 1; }
    sleep 0.05
  done
}

is_larger() { [ "$(wc -c <"$1")" -gt "$2" ]; }
is_said() { grep -q "$1" "$2" 2>/dev/null; }

# logs_into SCRIPT WORKERS: starts it with a log in a file.
logs_into() {
  rm -rf "$directory/logs" "$directory/moved"
  mkdir "$directory/logs"
  log=$directory/logs/log
  echo "start = '$1' thread = $2 logger = '$log' luaservice = '$directory/?.lua'" >"$directory/config"
  "$skysock" "$directory/config" 2>"$directory/said" &
  program=$!
  await "$1: no log" is_said line "$log"
}

# ends_with_0 WHAT
ends_with_0() {
  kill -TERM "$program"
  status=0
  wait "$program" || status=$?
  [ "$status" -eq 0 ] || { echo "$1: exit code $status, 0 expected" >&2; exit 1; }
}

# SIGHUP after a rotation: later lines are in the new file, and only there.
reopens() {
  logs_into talker "$1"
  for rotated in 1 2; do
    mv "$log" "$log.$rotated"
    kill -HUP "$program"
    await "workers=$1: no line in the new log" is_said "a line" "$log"
    size=$(wc -c <"$log.$rotated")
    sleep 0.2
    [ "$(wc -c <"$log.$rotated")" -eq "$size" ] || { echo "workers=$1: the old log grows" >&2; exit 1; }
  done
  echo "of another program" >>"$log"
  kill -HUP "$program"
  sleep 0.2
  is_said "of another program" "$log" || { echo "workers=$1: a log in its place is lost" >&2; exit 1; }
  # No new file can be made: the old one goes on.
  mv "$directory/logs" "$directory/moved"
  kill -HUP "$program"
  await "workers=$1: why there is no new log" \
    is_said "logger $log: No such file or directory; the old file goes on" "$directory/said"
  size=$(wc -c <"$directory/moved/log")
  await "workers=$1: the old log ends" is_larger "$directory/moved/log" "$size"
  ends_with_0 "SIGHUP, workers=$1"
  # The file is made without a line, too.
  logs_into silent "$1"
  mv "$log" "$log.1"
  kill -HUP "$program"
  await "workers=$1: no new log of a silent node" [ -e "$log" ]
  ends_with_0 "SIGHUP while silent, workers=$1"
}

# Without a log in a file nothing happens.
survives_hangup() {
  rm -f "$directory/ready"
  "$skysock" "$directory/idle.lua" "$directory/ready" 2>"$directory/said" &
  program=$!
  await "idle.lua did not start" [ -e "$directory/ready" ]
  kill -HUP "$program"
  sleep 0.2
  ends_with_0 "SIGHUP without logger"
  [ ! -s "$directory/said" ] || { cat "$directory/said" >&2; exit 1; }
}

# A node that did nothing has dropped nothing: its end alone is not in the last counts.
counts_of_an_idle_node() {  # ARGUMENT...
  : >"$directory/listening" # What the one before said is no sign of this one.
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

survives_hangup
reopens 0
reopens 2

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
