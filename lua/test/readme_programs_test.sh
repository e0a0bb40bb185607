#!/usr/bin/env bash
# Do the programs that the READMEs show do what is said there? Usage: readme_programs_test.sh SKYSOCK SOURCE_DIR
set -euo pipefail

skysock=$1
source_dir=$2
directory=$(mktemp -d)
pid=''
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$directory"' EXIT

fail() { echo "readme_programs_test: $1" >&2; cat "$directory"/*.log >&2 || true; exit 1; }

# Every block of Lua, into the file that is named on a line before it; with any free port instead of the one shown.
extract() {
  awk -v directory="$directory" '
    match($0, /`[a-z]+\.(lua|config)`/) { name = substr($0, RSTART + 1, RLENGTH - 2) }
    /^```$/ { file = "" }
    file != "" { gsub(/"127\.0\.0\.1", 800[0-9]/, "\"127.0.0.1\", 0"); print > file }
    /^```lua$/ { file = directory "/" name }' "$1"
}

# serve NAME ARGUMENT...: starts it and leaves its port in `port`.
serve() {
  local name=$1
  shift
  (cd "$directory" && exec "$skysock" "$@" >"$name.log" 2>&1) &
  pid=$!
  for _ in $(seq 300); do
    port=$(sed -n 's/.*listening on 127\.0\.0\.1 \([0-9]*\)$/\1/p' "$directory/$name.log" 2>/dev/null)
    [ -z "$port" ] || return 0
    sleep 0.1
  done
  fail "$name does not listen"
}

# expect ANSWER TEXT: what the server says to that text.
expect() {
  local answer
  answer=$(printf '%b' "$2" | socat -t 20 - "TCP:127.0.0.1:$port")
  [ "$answer" = "$1" ] || fail "'$answer' came back, expected '$1'"
  kill "$pid"
  wait "$pid" || fail "it ended with $?"
  pid=''
}

extract "$source_dir/README.md"
extract "$source_dir/lua/README.md"
serve hello hello.lua
expect hello 'hello\n'
serve sum sum.lua
expect "$(printf '6\n-4')" '1 2 3\n1 -5\n'
serve configured sum.config
expect 6 '1 2 3\n'
grep -q 'socket.listen' "$directory/hello.lua" || fail 'hello.lua is not what was run'
