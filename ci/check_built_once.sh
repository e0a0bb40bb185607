#!/usr/bin/env bash
# Checks that every harness links the same libraries: no source file is compiled twice in one build folder.
set -euo pipefail

if [ $# -ne 1 ] || [ "$1" = --help ]; then
  printf 'usage: ci/check_built_once.sh BUILD_FOLDER\n\nexit codes: 0 each once; 1 some twice, named; 2 usage; 5 no file\n'
  [ "${1-}" = --help ] && exit 0
  exit 2
fi
mapfile -t files < <(jq -r '.[].file' "$1/compile_commands.json" | sort)
[ ${#files[@]} -gt 0 ] || exit 5
# The replay driver is no part of the system: every fuzzer without an engine has it as its main().
twice=$(printf '%s\n' "${files[@]}" | grep -v '/fuzz/replay_main.cpp$' | uniq -d)
if [ -n "$twice" ]; then
  printf 'compiled twice: %s\n' "$twice"
  exit 1
fi
echo "built once: ${#files[@]} compilations"
