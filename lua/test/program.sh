#!/bin/sh
# Runs a program of the corpus: what it prints has to be the file NAME.out beside it, and it has to end with 0 within
# 60 s. What it logs (standard error) is shown and not compared. Usage: program.sh SKYSOCK PROGRAM.lua
set -eu
skysock=$1
program=$2

printed=$(mktemp)
trap 'rm -f "$printed"' EXIT
status=0
timeout 60 "$skysock" --tuning workers=2 "$program" >"$printed" </dev/null || status=$?
diff "${program%.lua}.out" "$printed"
[ "$status" -eq 0 ] || { echo "exit code $status, 0 expected" >&2; exit 1; }
