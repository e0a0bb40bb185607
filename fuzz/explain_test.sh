#!/bin/sh
# Does skysock-sim explain show each operation as it stands in the program, where the program ends,
# and a verdict last?
# Usage: explain_test.sh PATH-OF-SKYSOCK-SIM
set -eu
sim=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cat >"$directory/program" <<'PROGRAM'
world 0 0 0 0 0
listen service=0
poll
start service=0 id=0
poll
dial listener=0
poll
start service=0 id=1
raw 53 06 ff
PROGRAM
"$sim" explain "$directory/program" >"$directory/said"
# Only events and steps are indented.
grep -v '^ ' "$directory/said" >"$directory/lines"
{
  tail -n +2 "$directory/program"
  echo "(end of the program: everything is closed)"
  echo "passed: 8 operations"
} | diff - "$directory/lines"
