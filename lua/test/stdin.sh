#!/bin/sh
# Does socket.stdin() read a pipe, a file and an empty input to their ends, and say that they ended?
# Usage: stdin.sh SKYSOCK stdin.lua
set -eu
skysock=$1
script=$2
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

ending='disconnected true
invalid true'

check() { # what, expected; the output is in $directory/output
  printf '%s\n' "$2" >"$directory/expected"
  diff "$directory/expected" "$directory/output" || { echo "$1: other output" >&2; exit 1; }
}

for tuning in workers=1 workers=0 workers=0,poller=io_uring; do
  (printf 'one\ntwo\n'; sleep 0.2; printf 'three') |
    "$skysock" --tuning "$tuning" "$script" >"$directory/output"
  check "pipe, $tuning" "line one
line two
rest three
$ending"

  printf 'one\n' >"$directory/input"
  "$skysock" --tuning "$tuning" "$script" <"$directory/input" >"$directory/output"
  check "file, $tuning" "line one
rest 
$ending"

  "$skysock" --tuning "$tuning" "$script" </dev/null >"$directory/output"
  check "/dev/null, $tuning" "rest 
$ending"
done
