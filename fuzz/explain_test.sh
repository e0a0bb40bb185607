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
poll
begin thread=2 points=3
send id=1 size=4
resume thread=2 points=0
raw 53 06 ff
PROGRAM
"$sim" explain "$directory/program" >"$directory/said"
# Only events and steps are indented.
grep -v '^ ' "$directory/said" >"$directory/lines"
{
  tail -n +2 "$directory/program"
  echo "(end of the program: everything is closed)"
  echo "passed: 12 operations"
} | diff - "$directory/lines"
# Where a thread stops is a step, too.
grep -q '^  thread 2 stops at direct_checked of id=17$' "$directory/said"
grep -q '^  thread 2 stops at direct_called of id=17$' "$directory/said"
