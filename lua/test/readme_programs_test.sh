#!/usr/bin/env bash
# Do the programs that the READMEs show do what is said there? Usage: readme_programs_test.sh SKYSOCK SOURCE_DIR
set -euo pipefail
# shellcheck source=lua/test/example_server.sh
. "$(dirname "$0")/example_server.sh"

skysock=$1
source_dir=$2

# Every block of Lua, into the file that is named on a line before it; with any free port instead of the one shown.
extract() {
  awk -v directory="$directory" '
    match($0, /`[a-z]+\.(lua|config)`/) { name = substr($0, RSTART + 1, RLENGTH - 2) }
    /^```$/ { file = "" }
    file != "" { gsub(/"127\.0\.0\.1", 800[0-9]/, "\"127.0.0.1\", 0"); print > file }
    /^```lua$/ { file = directory "/" name }' "$1"
}

listening='listening on 127\.0\.0\.1 [0-9]*$'

# answers PROGRAM TEXT WANTED: starts it, says the text, and looks at what comes back; then ends it.
answers() {
  (cd "$directory" && exec "$skysock" "$1" >"$1.log" 2>&1) &
  server=$!
  processes+=("$server")
  await grep -qs "$listening" "$directory/$1.log"
  local port
  port=$(grep -o "$listening" "$directory/$1.log" | sed 's/.* //')
  expect "$1" "$3" "$(printf '%b' "$2" | socat -t 20 - "TCP:127.0.0.1:$port")"
  stop_server
}

extract "$source_dir/README.md"
extract "$source_dir/lua/README.md"
answers hello.lua 'hello\n' hello
answers sum.lua '1 2 3\n1 -5\n' "$(printf '6\n-4')"
answers sum.config '1 2 3\n' 6
grep -q 'socket.listen' "$directory/hello.lua" || fail 'hello.lua is not what was run'
