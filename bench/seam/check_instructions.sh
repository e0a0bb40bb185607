#!/usr/bin/env bash
# What does the seam (LinuxSys instead of direct system calls) cost, exactly? Counts the instructions of both loops under
# callgrind, twice with different numbers of operations: the difference is that of the operations alone.
set -euo pipefail

usage() {
  printf 'usage: bench/seam/check_instructions.sh BUILD_DIR\n\n'
  printf 'BUILD_DIR: of the preset bench, with seam_calls built. Prints user instructions per operation with direct calls\n'
  printf 'and through LinuxSys; an operation is three calls of the server and what the client does.\n\n'
  printf 'exit codes: 0 the difference is at most 3 in socketpair and tcp (one per call), 8 in accept (the address of the\n'
  printf 'peer becomes an Endpoint); 1 it is more; 2 usage; 5 not counted; 6 valgrind is missing\n'
}

case "${1-}" in
  --help | -h) usage; exit 0 ;;
esac
[ $# -eq 1 ] || { usage >&2; exit 2; }
program=$1/bin/seam_calls
[ -x "$program" ] || { echo "seam: no program '$program'; build the target seam_calls first" >&2; exit 5; }
command -v valgrind >/dev/null || { echo 'seam: valgrind is missing; run ci/setup.sh' >&2; exit 6; }

instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 |
    sed -nE 's/^==[0-9]+== Collected : ([0-9]+)$/\1/p'
}

# per_1000 CALLS SCENARIO: instructions of 1,000 operations.
per_1000() {
  local one two
  one=$(instructions "$1" "$2" 1000)
  two=$(instructions "$1" "$2" 2000)
  [[ $one =~ ^[0-9]+$ && $two =~ ^[0-9]+$ && $two -gt $one ]] ||
    { echo "seam: $1 $2: callgrind counted '$one' and '$two'" >&2; exit 5; }
  echo $((two - one))
}

worst=0
for scenario in socketpair tcp accept; do
  allowed=3
  [ $scenario != accept ] || allowed=8
  direct=$(per_1000 direct $scenario)
  seam=$(per_1000 linux_sys $scenario)
  added=$((seam - direct))
  printf '%-10s direct %s, LinuxSys %s instructions per 1,000 operations: %+d' $scenario "$direct" "$seam" $added
  if [ $added -gt $((1000 * allowed)) ]; then
    printf ', more than %d per operation' $allowed
    worst=1
  fi
  printf '\n'
done
exit $worst
