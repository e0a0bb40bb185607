#!/bin/sh
# Runs every case of a test script in a process of its own under one tuning; fails when one of them fails.
# Usage: run_cases.sh SKYSOCK TUNING SCRIPT.lua
set -eu
skysock=$1
tuning=$2
script=$3

cases=$(sed -n 's/^function cases\.\([A-Za-z0-9_]*\)()$/\1/p' "$script")
[ -n "$cases" ] || { echo "$script has no cases" >&2; exit 5; }
count=0
failed=''
for name in $cases; do
  count=$((count + 1))
  timeout 60 "$skysock" --tuning "$tuning" "$script" "$name" </dev/null || failed="$failed $name"
done
echo "$count cases of $(basename "$script") with $tuning; failed:${failed:- none}"
[ -z "$failed" ]
