#!/usr/bin/env bash
# Checks that what users run holds nothing that only tests use: no symbol of the simulated kernel, the fuzzers, the
# stress and benchmark programs or a test library is in `skysock` or in the libraries that it is linked from.
set -euo pipefail

usage() {
  printf 'usage: ci/check_production_symbols.sh BUILD_DIR [FILE...]\n'
  printf '       ci/check_production_symbols.sh --self-test BUILD_DIR\n\n'
  printf 'Reads the symbols of skysock and its libraries (or of FILE...) with llvm-nm-19. What core/sim is called is read\n'
  printf 'from its headers. --self-test: looks at libraries and a program that do hold such symbols; each must be found.\n\n'
  printf 'exit codes: 0 none (--self-test: all found); 1 some, each named (--self-test: one was overlooked); 2 wrong\n'
  printf 'usage; 5 a file is missing or has no symbols\n'
}

self_test=0
case "${1-}" in
  --help | -h) usage; exit 0 ;;
  --self-test) self_test=1; shift ;;
esac
if [ $# -lt 1 ] || [ ! -f "$1/CMakeCache.txt" ] || { [ $self_test = 1 ] && [ $# -ne 1 ]; }; then
  [ $# -lt 1 ] || [ -f "$1/CMakeCache.txt" ] || echo "production symbols: '$1' is no build folder" >&2
  usage >&2
  exit 2
fi
command -v llvm-nm-19 >/dev/null || { echo 'production symbols: no llvm-nm-19; run ci/setup.sh' >&2; exit 5; }
build=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)

# Types and namespaces of core/sim, as alternatives of a regular expression.
simulated=$(sed -nE 's/^(class|struct|enum class) ([A-Z][A-Za-z]*).*/\2/p; s/^namespace skysock::([a-z_]+).*/\1/p' \
  "$root"/core/sim/*.hpp | sort -u | paste -sd '|')
[[ $simulated == *SimKernel* ]] || { echo 'production symbols: core/sim/*.hpp: no SimKernel was found' >&2; exit 5; }
forbidden="skysock::($simulated|fuzz|stress|bench)\\b|\\btesting::|\\bsim_|LLVMFuzzer"

# The symbols of a file with their demangled names, in `symbols`.
read_symbols() {
  if [ ! -f "$1" ]; then
    echo "production symbols: no file '$1'; build it first" >&2
    exit 5
  fi
  symbols=$(llvm-nm-19 -C --format=just-symbols "$1" 2>/dev/null) || symbols=
  # Every file of the project defines or calls something of its own.
  grep -q 'skysock::' <<<"$symbols" || { echo "production symbols: '$1' has no symbols of skysock" >&2; exit 5; }
}

found=0
files=("$@")
if [ $self_test = 1 ]; then
  files=("$build"/core/libskysock_sim.a "$build"/core/libskysock_sim_server.a "$build"/fuzz/libskysock_stream_world.a
    "$build"/stress/libskysock_stress.a "$build"/bin/net_test)
elif [ $# -eq 0 ]; then
  files=("$build"/bin/skysock "$build"/core/libskysock_{base,sys,net,service}.a "$build"/lua/libskysock_lua.a)
fi
for file in "${files[@]}"; do
  read_symbols "$file"
  if names=$(grep -E "$forbidden" <<<"$symbols" | sort -u); then
    found=$((found + 1))
    [ $self_test = 1 ] || printf '%s\n' "$file: ${names//$'\n'/$'\n'$file: }"
  elif [ $self_test = 1 ]; then
    echo "$file: nothing was found, but it holds such symbols"
  fi
done
echo "production symbols: ${#files[@]} files, $found with symbols that only tests use"
if [ $self_test = 1 ]; then [ "$found" -eq ${#files[@]} ]; else [ "$found" -eq 0 ]; fi
