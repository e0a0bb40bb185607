#!/bin/sh
# Does skysock-sim refuse what it would not do, with the exit code that --help says?
# Usage: usage_test.sh PATH-OF-SKYSOCK-SIM
set -eu
sim=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# expect CODE TEXT ARGUMENT...: exit code and a part of what is said.
expect() {
  code=$1 text=$2
  shift 2
  got=0
  "$sim" "$@" >"$directory/said" 2>&1 || got=$?
  if [ "$got" -ne "$code" ] || ! grep -qF -- "$text" "$directory/said"; then
    echo "skysock-sim $*: exit code $got, expected $code and '$text'; it said:" >&2
    cat "$directory/said" >&2
    exit 1
  fi
}

: >"$directory/empty"
expect 2 "cannot read '$directory/none'" run "$directory/none"
expect 2 "cannot read '$directory'" explain "$directory"
expect 2 "'$directory/empty': expected a line 'world'" shrink "$directory/empty"
expect 2 "'-5' is not an integer from 1" random --count -5
expect 2 "'0' is not an integer from 1" random --count 0
expect 2 "'-1' is not an integer from 0" random --seed -1
expect 2 "'18446744073709551616' is not an integer" random --seed 18446744073709551616
expect 2 "'nan' is not a number of seconds" random --seconds nan
expect 2 "cannot write '$directory/none/file'" random --count 1 --json "$directory/none/file"
expect 2 "cannot write '/dev/full'" random --count 1 --json /dev/full
expect 1 'listening_held         hung_up            0' random --count 1 --all-cells
expect 5 'seed 1: 0 programs' random --seconds 0.000000001
expect 0 'seed 3: 5 programs' random --seed 3 --count 5 --json "$directory/json" --out "$directory/failed"
grep -q '"passed": true' "$directory/json"
if [ -e "$directory/failed" ]; then
  echo 'skysock-sim: nothing failed, and there is a file of what failed' >&2
  exit 1
fi
