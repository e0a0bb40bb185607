#!/usr/bin/env bash
# Checks core/KNOWN_DEFECTS.md against the tree: every row has a test named after it, every test and patch that it names
# exists, and every test and patch named after a row is of a row that is there.
set -euo pipefail

usage() {
  printf 'usage: ci/check_known_defects.sh BUILD_DIR [TABLE]\n\n'
  printf 'Looks up each row of TABLE (default core/KNOWN_DEFECTS.md): | row | ours | tests | patch |. A test is one\n'
  printf 'that ctest -N lists; one of each row has its number in its name (LV07b_...). A patch is one of fuzz/bugs,\n'
  printf 'or "-" and the reason. "Lua layer, issue N" in the column tests says that the row comes later.\n\n'
  printf 'exit codes: 0 all there; 1 something is missing, each named; 2 wrong usage; 5 no row was found\n'
}

# shellcheck source=ci/named_tests.sh
. "$(dirname "$0")/named_tests.sh"
named_tests_arguments core/KNOWN_DEFECTS.md "$@"

# Listed as Suite.Name, whatever it is a case of.
declare -A listed
while IFS= read -r name; do
  listed[$name]=1
done < <(named_tests | sed -E 's,^[^./]*/,,; s,/[^/]*$,,')

rows=0
later=0
missing=0
declare -A known
miss() {
  printf '%s: %s\n' "$1" "$2"
  missing=$((missing + 1))
}

check_row() {
  local row=$1 tests=$2 patch=$3 name named=0
  while IFS= read -r name; do
    [ -n "$name" ] || continue
    [ -n "${listed[$name]-}" ] || miss "$row" "no test '$name' in $build"
    if [[ $name == *.${row}_* ]]; then named=1; fi
  done < <(quoted "$tests")
  [ "$named" -eq 1 ] || miss "$row" 'no test is named after it'
  if [[ $patch =~ ^\ -\ [^\ ] ]]; then return; fi
  [ -n "$(quoted "$patch")" ] || miss "$row" 'neither a patch nor a reason why there is none'
  while IFS= read -r name; do
    [ -z "$name" ] || [ -f "fuzz/bugs/$name.patch" ] || miss "$row" "no patch fuzz/bugs/$name.patch"
  done < <(quoted "$patch")
}

while IFS='|' read -r _ row ours tests patch _; do
  row=${row// /}
  case "$row" in
    Row | ---*) continue ;;
  esac
  [ -z "${known[$row]-}" ] || miss "$row" 'is there twice'
  [ -n "${ours// /}" ] || miss "$row" 'does not say what ours does'
  known[$row]=1
  rows=$((rows + 1))
  if [[ $tests =~ ^\ Lua\ layer,\ issue\ [0-9]+\ $ ]]; then
    later=$((later + 1))
  else
    check_row "$row" "$tests" "$patch"
  fi
done < <(grep '^|' "$table")
[ "$rows" -gt 0 ] || exit 5

while IFS= read -r name; do
  row=$(grep -oE '(^|\.)LV[0-9]+b?_' <<<"$name" | tr -d '._' || true)
  [ -n "${known[$row]-}" ] || miss "$name" "$row is no row of $table"
done < <(printf '%s\n' "${!listed[@]}" | grep -E '\.LV[0-9]+b?_'; find fuzz/bugs -name 'LV*.patch' -printf '%f\n')

echo "known defects: $rows rows, $later of them for a later issue, $missing missing"
[ "$missing" -eq 0 ]
