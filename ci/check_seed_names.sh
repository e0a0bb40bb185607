#!/usr/bin/env bash
# Checks core/SEED_NAMES.md against the tree: every identifier is in the file that the table names for it, and every test
# is one that `ctest -N` lists.
set -euo pipefail

usage() {
  printf 'usage: ci/check_seed_names.sh BUILD_DIR [TABLE]\n\n'
  printf 'Looks up each row of TABLE (default core/SEED_NAMES.md): | seed | ours | file | test |. "issue N" in the\n'
  printf 'columns ours and test says that the counterpart comes later.\n\n'
  printf 'exit codes: 0 all there; 1 something is missing, each named; 2 wrong usage; 5 no row was found\n'
}

# shellcheck source=ci/named_tests.sh
. "$(dirname "$0")/named_tests.sh"
named_tests_arguments core/SEED_NAMES.md "$@"

# Listed as Suite.Name/0 and as Suite.Name.
declare -A listed
while IFS= read -r name; do
  listed[$name]=1
done < <(named_tests | sed -nE 'p; s,/[^/]*$,,p')

rows=0
later=0
missing=0
miss() {
  printf '%s: %s: %s\n' "$table" "$1" "$2"
  missing=$((missing + 1))
}

check_row() {
  local seed=$1 ours=$2 file=$3 tests=$4 name part
  if [ ! -f "$file" ]; then
    miss "$seed" "no file '$file'"
    return
  fi
  [ -n "$(quoted "$ours")" ] || miss "$seed" 'no identifier in the column "ours"'
  [ -n "$(quoted "$tests")" ] || miss "$seed" 'no test'
  while IFS= read -r name; do
    # A::b: both must be there, not next to each other: a template's name has its parameters between.
    for part in ${name//::/ }; do
      grep -qwF -- "$part" "$file" || miss "$seed" "no '$part' (of $name) in $file"
    done
  done < <(quoted "$ours")
  while IFS= read -r name; do
    [ -n "${listed[$name]-}" ] || miss "$seed" "no test '$name' in $build"
  done < <(quoted "$tests")
}

while IFS='|' read -r _ seed ours file tests _; do
  seed=${seed# } seed=${seed% }
  case "$seed" in
    Seed | ---*) continue ;;
  esac
  rows=$((rows + 1))
  if [[ $ours =~ ^\ issue\ [0-9]+\ $ && $tests == "$ours" ]]; then
    later=$((later + 1))
  else
    check_row "$seed" "$ours" "${file// /}" "$tests"
  fi
done < <(grep '^|' "$table")

echo "seed names: $rows rows, $later of them for a later issue, $missing missing"
[ "$rows" -gt 0 ] || exit 5
[ "$missing" -eq 0 ]
