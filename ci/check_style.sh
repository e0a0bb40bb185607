#!/usr/bin/env bash
# Checks what a reader would stumble over: formatting (clang-format), scripts (shellcheck), lines above 100 columns.
set -euo pipefail

if [ "${1-}" = --help ] || [ "${1-}" = -h ]; then
  printf 'usage: ci/check_style.sh\n\nexit codes: 0 clean; 1 findings, each named; 5 no file was looked at\n'
  exit 0
fi
cd "$(dirname "$0")/.."

mapfile -t code < <(find core lua bench fuzz stress results -name '*.hpp' -o -name '*.cpp' | sort)
mapfile -t scripts < <(find ci lua bench fuzz stress results .ci -name '*.sh' -o -path .ci/run | sort)
[ ${#code[@]} -gt 0 ] && [ ${#scripts[@]} -gt 0 ] || exit 5

status=0
clang-format-19 --dry-run --Werror "${code[@]}" || status=1
shellcheck "${scripts[@]}" || status=1
# A rule of the state table is one row, however long.
if grep -nE '.{101,}' "${code[@]}" | grep -vE ': *(go|stay)\('; then
  echo 'style: the lines above are longer than 100 columns'
  status=1
fi
echo "style: ${#code[@]} source files, ${#scripts[@]} scripts"
exit "$status"
