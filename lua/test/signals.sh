#!/bin/sh
# Does skysock end with 0, soon, on SIGTERM and SIGINT: idle, busy, and with its standard descriptors
# closed? And does a service that never gives control back not keep it alive?
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

# ends CODE SIGNAL SCRIPT: the script gets SIGNAL once it runs; the program must end with CODE.
ends() {
  rm -f "$directory/ready"
  if [ "$4" = closed ]; then
    timeout -k 20 20 "$skysock" "$directory/$3" "$directory/ready" <&- >&- 2>&- &
  else
    timeout -k 20 20 "$skysock" "$directory/$3" "$directory/ready" &
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
  [ "$status" -eq "$1" ] || { echo "$3, $2: exit code $status, $1 expected" >&2; exit 1; }
}

ends 0 TERM idle.lua open
ends 0 INT idle.lua open
ends 0 TERM busy.lua open
ends 0 TERM idle.lua closed
ends 1 TERM stuck.lua open
