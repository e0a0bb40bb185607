#!/usr/bin/env bash
# Do configurations of skynet's form start the service they name, with its threads, paths, settings and log;
# and are wrong ones answered with file, line, key and what was expected, and exit code 2?
# Usage: config.sh SKYSOCK
set -u
skysock=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory" || exit 1
failures=0

# expect CODE TEXT ARG...: runs skysock with ARGs; its output must hold TEXT.
expect() {
  local code=$1 text=$2 status=0
  shift 2
  output=$(timeout 20 "$skysock" "$@" 2>&1 </dev/null) || status=$?
  if [ "$status" -ne "$code" ] || ! grep -qF -- "$text" <<<"$output"; then
    printf 'skysock %s\n  exit code %s, %s expected; text expected: %s\n%s\n' \
      "$*" "$status" "$code" "$text" "$output" >&2
    failures=$((failures + 1))
  fi
}

# expect_not TEXT: the last output does not hold it.
expect_not() {
  if grep -qF -- "$1" <<<"$output"; then
    printf 'not expected: %s\n%s\n' "$1" "$output" >&2
    failures=$((failures + 1))
  fi
}

mkdir -p program/service program/packaged/shop program/modules etc/more
cat >program/service/main.lua <<'LUA'
local skynet = require "skynet"
local greet = require "greet"
print("main runs", SERVICE_NAME, SERVICE_PATH, "arguments", ...)
print("preloaded for", PRELOADED)
skynet.start(function()
  greet()
  for _, key in ipairs { "thread", "own_key", "flag", "from_shell", "deep", "harbor", "start" } do
    print("key", key, skynet.getenv(key))
  end
  skynet.newservice("shop", "a", "b")
  skynet.error "a line of the log"
  skynet.exit()
end)
LUA
cat >program/packaged/shop/main.lua <<'LUA'
local skynet = require "skynet"
print("shop runs", SERVICE_NAME, SERVICE_PATH, require "goods", PRELOADED, ...)
skynet.start(function() skynet.fork(skynet.exit) end)
LUA
echo 'return "goods of the shop"' >program/packaged/shop/goods.lua
echo 'return function() print "greeting of a module" end' >program/modules/greet.lua
echo 'PRELOADED = ...' >program/preload.lua
cat >etc/common <<'CONFIG'
root = "$PROGRAM_ROOT/"
include "more/deep"
CONFIG
echo 'deep = "included from an included file"' >etc/more/deep
cat >etc/config <<'CONFIG'
include "common"
thread = 2
harbor = 0
logpath = "."
bootstrap = "snlua bootstrap"
start = "main one two"
luaservice = root .. "service/?.lua;" .. root .. "packaged/?/main.lua"
lua_path = root .. "modules/?.lua"
preload = root .. "preload.lua"
logger = nil
own_key = 12.5
flag = true
from_shell = "$FROM_SHELL"
CONFIG
export PROGRAM_ROOT=$directory/program FROM_SHELL="of the environment"

expect 0 "main runs	main	$directory/program/service/	arguments	one	two" etc/config
for line in "preloaded for	main" "greeting of a module" "key	thread	2" "key	own_key	12.5" "key	flag	true" \
  "key	from_shell	of the environment" "key	deep	included from an included file" "key	harbor	0" \
  "key	start	main one two" "a line of the log" \
  "shop runs	shop	$directory/program/packaged/shop/	goods of the shop	shop	a	b" \
  "skysock: warning: etc/config: without a meaning here: bootstrap, harbor, logpath"; do
  expect 0 "$line" etc/config
done
expect_not "own_key,"

# threads CONFIG OPTION...: how many threads the node has.
cat >threads.lua <<'LUA'
local count = 0
for line in io.popen("ls /proc/$PPID/task"):lines() do
  count = count + 1
end
print("threads " .. count)
LUA
threads() {
  "$skysock" "${@:2}" "$1" | sed -n 's/^threads //p'
}
echo 'thread = 3 start = "threads"' >three
echo 'thread = "3" start = "threads"' >three_in_text
echo 'thread = 1 start = "threads"' >one
echo 'start = "threads"' >unsaid
for run in "three 2" "three_in_text 2" "unsaid 0" "three --tuning=workers=1 0" "unsaid --tuning=workers=2 1"; do
  read -ra words <<<"$run"
  more=${words[-1]}
  if [ "$(threads "${words[@]:0:${#words[@]}-1}")" -ne $(($(threads one) + more)) ]; then
    echo "$run: other threads" >&2
    failures=$((failures + 1))
  fi
done

# The log goes into a file, after what is there.
echo 'start = "logging" logger = "out.log"' >logs
cat >logging.lua <<'LUA'
local skynet = require "skynet"
skynet.start(function() skynet.error "into the file" skynet.exit() end)
LUA
echo before >out.log
"$skysock" logs >said 2>&1
if ! grep -q before out.log || ! grep -q 'into the file' out.log || [ -s said ]; then
  cat out.log said >&2
  failures=$((failures + 1))
fi
echo 'start = "logging" logger = "/nowhere/log"' >logs
expect 1 "logger /nowhere/log: No such file or directory" logs

# What is wrong, and where.
wrong() {
  cat >wrong
  expect 2 "$1" wrong
}
wrong "wrong:2: thread: expected a number of threads from 0 to 64, got \"four\"" <<<$'\nthread = "four"'
wrong "wrong:1: thread: expected a number of threads from 0 to 64, got 65" <<<'thread = 65'
wrong "wrong:1: thread: expected a number of threads from 0 to 64, got 1.5" <<<'thread = 1.5'
wrong "wrong:3: start: expected a text, got 7" <<<$'\n\nstart = 7'
wrong "wrong:1: lua_path: expected a text, got \"\"" <<<'lua_path = ""'
wrong "wrong:1: own: expected a text, number or boolean, got table:" <<<'own = {}'
wrong "wrong:2: \$NOT_SET_ANYWHERE: expected a variable of the environment, there is none" \
  <<<$'a = 1\nb = "$NOT_SET_ANYWHERE"'
wrong "wrong:1: cannot read none: No such file or directory" <<<'include "none"'
wrong "wrong:1: include: expected a file, got nil" <<<'include()'
wrong "wrong:2: include: expected files in each other at most 32 deep, got \"wrong\"" \
  <<<$'\ninclude "wrong"'
echo 'thread = -1' >etc/bad
wrong "etc/bad:1: thread: expected a number of threads from 0 to 64, got -1" <<<'include "etc/bad"'
wrong "wrong:1: syntax error near" <<<'thread 4'
wrong "wrong:1: attempt to" <<<'start = none .. "x"'
wrong "wrong:1: attempt to index a nil value (global 'os')" <<<'os.exit(0)'
wrong "wrong:2: logservice: \"snlua\": log services are not supported; logger names a file" \
  <<<$'logger = "userlog"\nlogservice = "snlua"'
wrong "wrong:1: daemon: not supported: start it with a service manager" <<<'daemon = "./skynet.pid"'
echo 'daemon = "pid" logservice = "snlua" start = "threads" daemon = nil logservice = "logger"' >taken_back
expect 0 "threads" taken_back
expect 2 "cannot read configuration none.config: No such file or directory" none.config
expect 2 "unexpected 'more' after the configuration etc/config" etc/config more
echo 'start = "nobody"' >nobody
expect 1 "no script for service nobody:" nobody
expect 1 "no file ./service/nobody.lua" nobody
expect_not "lualib/.."
expect_not "default"
echo 'thread = 1' >unnamed
expect 1 "no script for service main (the configuration names no start: main is the default):" unnamed
echo 'local = )' >broken.lua
mkdir -p service
echo 'error "not reached"' >service/later.lua
echo 'luaservice = "./?.lua;./service/?.lua" start = "broken"' >breaks
expect 1 "skysock: error: ./broken.lua:1: <name> expected near '='" breaks
expect_not "no script"
expect_not "no file"
mkdir later.lua
echo 'luaservice = "./?.lua;./service/?.lua" start = "later"' >breaks
expect 1 "skysock: error: cannot read ./later.lua" breaks
expect_not "not reached"
cat >starter.lua <<'LUA'
local skynet = require "skynet"
skynet.start(function() pcall(skynet.newservice, "broken") skynet.exit() end)
LUA
echo 'start = "starter"' >starts
expect 0 "] service broken failed: ./broken.lua:1: <name> expected near '='" starts
echo 'start = "logging" preload = "none.lua"' >preloads
expect 1 "cannot open none.lua" preloads
expect 0 "skynet.getenv() reads every key" --help

# A configuration that is taken for a script says so; with --config it is one.
echo 'thread = 1 start = "logging" logger = "named.log"' >named.lua
looks="looks like a configuration, not like a script: skysock --config"
expect 2 "skysock: error: named.lua $looks named.lua starts what it says" named.lua
expect 0 "" --config named.lua
expect 0 "" --config "$directory/named.lua"
grep -q 'into the file' named.log || { echo "--config named.lua: no log" >&2; failures=$((failures + 1)); }
for keys in 'start = "x"' 'thread = 4' 'luaservice = "?.lua"' 'lua_path = "?.lua"' 'include "etc/common"'; do
  echo "$keys" >taken.lua
  expect 2 "taken.lua $looks" taken.lua
done
# What scripts do: functions of such names, a start, an own error.
echo 'function start() end thread = coroutine.create(start) print "done"' >script.lua
expect 0 "done" script.lua
echo 'thread = 4 setmetatable(_G, {__index = error}) print "guarded"' >script.lua
expect 2 "script.lua $looks" script.lua
echo 'thread = 4 local skynet = require "skynet" skynet.start(function() print "runs" skynet.exit() end)' >script.lua
expect 0 "runs" script.lua
echo 'error "an error of its own"' >script.lua
expect 1 "an error of its own" script.lua
# A service of that kind is the program's own business.
echo 'thread = 4 start = "x" print "of the service"' >settings.lua
echo 'start = "settings"' >starts
expect 0 "of the service" starts
expect 2 "unexpected 'more' after the configuration named.lua" --config named.lua more
expect 2 "unexpected '--config' beside --native" --config named.lua --native echo --listen 127.0.0.1:0
expect 2 "cannot read configuration none.lua: No such file or directory" --config none.lua

exit "$((failures > 0))"
