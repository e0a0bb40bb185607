#!/usr/bin/env bash
# Checks that every #include "..." stays within its layer: core/base < core/sys < core/net < core/service < lua, and
# nothing in core or lua knows bench, fuzz, stress or results. Tests may use the simulated kernel, too.
set -euo pipefail

case "${1-}" in
  "") ;;
  --help | -h)
    printf 'usage: ci/check_layers.sh [ROOT]\n\nLists every include that breaks the layers.\n'
    printf 'exit codes: 0 none; 1 some; 5 no file was looked at\n'
    exit 0 ;;
esac
cd "${1:-$(dirname "$0")/..}"

# folder: what its files may include, as an extended regular expression
allowed() {
  case "$1" in
    core/base/*) echo 'core/base' ;;
    core/sys/*) echo 'core/(base|sys)' ;;
    core/net/*) echo 'core/(base|sys|net)' ;;
    core/service/*) echo 'core/(base|sys|net|service)' ;;
    core/sim/*) echo 'core/(base|sys|net|sim)' ;;
    lua/*) echo 'core/(base|sys|net|service)|lua' ;;
    bench/*) echo 'core/(base|sys|net|service)|lua|bench' ;;
    fuzz/*) echo 'core/(base|sys|net|service|sim)|lua|fuzz' ;;
    stress/*) echo 'core/base|stress' ;;
    results/*) echo 'core/base|bench/load|results' ;;
    *) echo 'no-layer-for-this-folder' ;;
  esac
}

files=0
broken=0
while IFS= read -r file; do
  files=$((files + 1))
  may=$(allowed "$file")
  case "$file" in
    *_test.cpp | */test_*.hpp) may="$may|core/sim" ;;
  esac
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    echo "$file:$line is not allowed there; expected a path under: $may"
    broken=$((broken + 1))
  done < <(grep -nE '^#include "' "$file" | grep -vE "^[0-9]+:#include \"($may)/" || true)
done < <(find core lua bench fuzz stress results -name '*.hpp' -o -name '*.cpp' | sort)

echo "layers: $files files, $broken includes out of place"
[ "$files" -gt 0 ] || exit 5
[ "$broken" -eq 0 ]
