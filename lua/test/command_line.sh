#!/bin/sh
# Does the skysock program answer every wrong command line with a clear error and exit code 2, and
# failing scripts with 1?
# Usage: command_line.sh SKYSOCK
set -u
skysock=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
failures=0

# expect CODE TEXT ARG...: runs skysock with ARGs; its output must hold TEXT.
expect() {
  code=$1
  text=$2
  shift 2
  status=0
  output=$(timeout 20 "$skysock" "$@" 2>&1 </dev/null) || status=$?
  if [ "$status" -ne "$code" ] || ! printf '%s' "$output" | grep -qF -- "$text"; then
    printf 'skysock %s\n  exit code %s, %s expected; text expected: %s\n%s\n' \
      "$*" "$status" "$code" "$text" "$output" >&2
    failures=$((failures + 1))
  fi
}

script() { cat >"$directory/$1"; }

script ok.lua <<'LUA'
print("arguments", ...)
LUA
script syntax.lua <<'LUA'
local = 1
LUA
script load.lua <<'LUA'
local function culprit() error "planted at load" end
culprit()
LUA
script start.lua <<'LUA'
require "skynet".start(function() error { code = 1 } end)
LUA
script late.lua <<'LUA'
local skynet = require "skynet"
skynet.start(function()
  skynet.fork(error, "planted in a fork")
  skynet.sleep(1)
  print "still here"
  skynet.exit()
end)
LUA
script sleeper.lua <<'LUA'
require "skynet".start(function() end)
LUA
script beside.lua <<'LUA'
local skynet = require "skynet"
skynet.start(function()
  skynet.newservice "sleeper"
  error "planted beside another service"
end)
LUA
script neighbour.lua <<'LUA'
print(require "library")
LUA
script library.lua <<'LUA'
return "from the neighbour"
LUA

expect 0 "Usage: skysock [OPTIONS] SCRIPT.lua [ARG...]" --help
expect 0 "skysock [OPTIONS] CONFIG" --help
expect 0 "Exit codes" --help
expect 0 "skysock 0." --version
expect 0 "workers" --tuning help
expect 2 "SCRIPT.lua or CONFIG expected"
expect 2 "unknown option --odd" --odd
expect 2 "cannot read script $directory/none.lua: No such file or directory" "$directory/none.lua"
expect 2 "cannot read configuration $directory: Is a directory" "$directory"
expect 2 "cannot read configuration /dev/null: not a regular file" /dev/null
expect 0 "SCRIPT.lua or CONFIG cannot be read" --help
expect 2 "--tuning" --tuning
expect 2 "nokey" --tuning nokey=1 "$directory/ok.lua"
expect 2 "skysock: error: --tuning: workers is 'x'; expected" --tuning workers=x "$directory/ok.lua"
expect 0 "did not end within --stop-limit" --help
expect 2 "--stop-limit" --stop-limit -1 "$directory/ok.lua"
expect 0 "arguments" --stop-limit 0 "$directory/ok.lua"
expect 0 "still here" --tuning workers=0 "$directory/late.lua"
expect 2 "no skynet.lua in /nowhere" --lualib /nowhere "$directory/ok.lua"
expect 2 "--native 'tea': expected echo|sink|source|broadcast|udp_echo|connect" --native tea --listen 127.0.0.1:0
expect 2 "--native needs --listen HOST:PORT" --native echo
expect 2 "--listen is for --native" --listen 127.0.0.1:0 "$directory/ok.lua"
expect 2 "--listen '127.0.0.1': expected HOST:PORT" --native echo --listen 127.0.0.1
expect 2 "--listen ':80': expected HOST:PORT" --native echo --listen :80
expect 2 "--listen '::1:80': expected HOST:PORT" --native echo --listen ::1:80
expect 2 "unexpected 'more' beside --native" --native echo --listen 127.0.0.1:0 more
expect 1 "cannot listen on 192.0.2.1:80: " --native echo --listen 192.0.2.1:80
expect 2 "--stats 'x': expected 0, or 0.01 to" --stats x "$directory/ok.lua"
expect 2 "--stats '-1': expected 0, or 0.01 to" --stats -1 "$directory/ok.lua"
expect 2 "--stats 'nan': expected 0, or 0.01 to" --stats nan "$directory/ok.lua"
expect 2 "--stats-json needs --stats" --stats-json "$directory/ok.lua"
expect 2 "--id 'x': expected the id of a socket" --read-trace "$directory/ok.lua" --id x
expect 2 "--id '0': expected the id of a socket" --read-trace "$directory/ok.lua" --id 0
expect 2 "--id is for --read-trace FILE" --id 7 "$directory/ok.lua"
expect 2 "unexpected 'more' beside --read-trace" --read-trace "$directory/ok.lua" more
expect 2 "exclude each other" --read-trace a --trace b
expect 1 "$directory/ok.lua: offset 0: no trace of skysock" --read-trace "$directory/ok.lua"
expect 1 "/nowhere/t: No such file or directory" --read-trace /nowhere/t
expect 1 "--trace /nowhere/t: No such file or directory" --trace /nowhere/t "$directory/ok.lua"
expect 1 "--trace /dev/full: No space left" --trace /dev/full "$directory/ok.lua"
expect 0 "packets_K                packets    that say: close or shut down" --stats help
expect 0 "closes=0" --stats 0 "$directory/ok.lua"
expect 0 '"messages_delivered":' --stats 0 --stats-json "$directory/ok.lua"
expect 0 "arguments	-a	--help	" "$directory/ok.lua" -a --help ""
expect 0 "arguments	--	-a" "$directory/ok.lua" -- -a
expect 0 "arguments	--	-a" -- "$directory/ok.lua" -- -a
expect 0 "arguments	-a	--help" --tuning workers=0 -- "$directory/ok.lua" -a --help
expect 2 "SCRIPT.lua or CONFIG expected" --
expect 2 "cannot read script --odd.lua: No such file or directory" -- --odd.lua
expect 2 "cannot read configuration --help: No such file or directory" -- --help
expect 0 "from the neighbour" "$directory/neighbour.lua"
expect 1 "syntax.lua:1:" "$directory/syntax.lua"
expect 1 "planted at load" "$directory/load.lua"
expect 1 "culprit" "$directory/load.lua"
expect 1 "stack traceback" "$directory/load.lua"
expect 1 "skysock: error: " "$directory/start.lua"
expect 1 "planted beside another service" "$directory/beside.lua"
expect 0 "still here" "$directory/late.lua"
expect 0 "planted in a fork" "$directory/late.lua"

# The examples say what is wrong in one line.
examples=$(dirname "$0")/../examples
# expect_line TEXT ARG...: as expect 1, and there is no other line.
expect_line() {
  expect 1 "$@"
  if [ "$(printf '%s\n' "$output" | wc -l)" -ne 1 ]; then
    printf 'skysock %s: one line expected\n%s\n' "$*" "$output" >&2
    failures=$((failures + 1))
  fi
}
for script in echo http redis udp_echo chat/main; do
  usage="usage: skysock $(basename $script).lua HOST PORT"
  expect_line "$usage" "$examples/$script.lua"
  expect_line "$usage" "$examples/$script.lua" 127.0.0.1
  expect_line "$usage" "$examples/$script.lua" 127.0.0.1 abc
  expect_line "$usage" "$examples/$script.lua" 127.0.0.1 65536
  expect_line "$usage" "$examples/$script.lua" "" 80
done
for script in echo http redis udp_echo; do
  expect_line "cannot listen on 192.0.2.1:80: " "$examples/$script.lua" 192.0.2.1 80
  expect_line "cannot listen on no such host:80: " "$examples/$script.lua" "no such host" 80
done
expect 1 "cannot listen on 192.0.2.1:80: " "$examples/chat/main.lua" 192.0.2.1 80
expect_line "usage: skysock client.lua HOST PORT" "$examples/chat/client.lua" 127.0.0.1 abc
expect_line "cannot connect to 127.0.0.1:1: " "$examples/chat/client.lua" 127.0.0.1 1
expect_line "usage: skysock client.lua HOST PORT" "$examples/client.lua" 127.0.0.1 abc
expect_line "cannot connect to 127.0.0.1:1: " "$examples/client.lua" 127.0.0.1 1 word
expect 1 'no module "skynet.cluster"; there are: skynet, skynet.manager, ' \
  "$(dirname "$0")/public_names.lua" skynet.cluster
"$skysock" --native echo --listen 127.0.0.1:0 >"$directory/listening" &
echo_server=$!
until grep -q "^listening on" "$directory/listening"; do sleep 0.1; done
port=$(sed -n 's/^listening on .*://p' "$directory/listening")
expect_line "cannot listen on 127.0.0.1:$port: Address already in use" \
  "$examples/echo.lua" 127.0.0.1 "$port"
# What a gate cannot do is one line of its log.
script gate_open.lua <<'LUA'
local skynet = require "skynet"
local conf = load("return " .. ...)()
skynet.start(function()
  conf.address = conf.address or "127.0.0.1"
  print("opened", (pcall(skynet.call, skynet.newservice "gate", "lua", "open", conf)))
  skynet.abort()
end)
LUA
# gate_refuses TEXT CONF
gate_refuses() {
  expect 0 "] $1" "$directory/gate_open.lua" "$2"
  if ! printf '%s\n' "$output" | grep -q "opened	false" ||
    printf '%s\n' "$output" | grep -q traceback; then
    printf 'gate of %s: a refusal without traceback expected\n%s\n' "$2" "$output" >&2
    failures=$((failures + 1))
  fi
}
gate_refuses "cannot listen on 127.0.0.1:$port: Address already in use" "{port = $port}"
gate_refuses "cannot listen on 127.0.0.1:$port: Address already in use" "{port = '$port'}"
gate_refuses "cannot listen on 192.0.2.1:80: Cannot assign" "{port = 80, address = '192.0.2.1'}"
gate_refuses "port expected" "{}"
gate_refuses 'port: expected a whole number from 0 to 65535, got "http"' "{port = 'http'}"
gate_refuses "port: expected a whole number from 0 to 65535, got 65536" "{port = 65536}"
gate_refuses "maxclient: expected a whole number from 0 to 2147483647, got 1.5" \
  "{port = 0, maxclient = 1.5}"
gate_refuses "maxclient: expected a whole number from 0 to 2147483647, got table:" \
  "{port = 0, maxclient = {}}"
gate_refuses "maxclient: expected a whole number from 0 to 2147483647, got -1" \
  "{port = 0, maxclient = -1}"
gate_refuses "backlog: expected a whole number from 0 to 65535, got true" "{port = 0, backlog = true}"
gate_refuses 'header: expected 2 or 4, got "3"' "{port = 0, header = '3'}"
gate_refuses "frame_limit: expected a whole number from 1 to 65535, got 65536" \
  "{port = 0, frame_limit = 65536}"
gate_refuses "frame_limit: expected a whole number from 1 to 4294967295, got 0" \
  "{port = 0, frame_limit = 0, header = 4}"
kill "$echo_server"
wait "$echo_server"

exit "$((failures > 0))"
