#!/usr/bin/env bash
# The main job: build, benchmarks, fuzzers, random programs, stress, comparison, one report. It is the user's nightly
# command and, with a small budget, a test of itself.
# shellcheck disable=SC2317 # part() calls the functions.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ci/nightly.sh [--budget TIME] [--against REF] [--out DIR] [--db FILE] [--seed N] [--help]

Sets the machine up, builds, measures, and ends with a summary and the path of the report.

  --budget TIME  time to measure, as 60s, 10m or 2h (default 10m, at least 60s). Building comes on top: a few minutes
                 the first time, seconds later.
  --against REF  compare this tree with a commit (built beside it); default: two tunings of this tree,
                 max_events=512 against max_events=16
  --out DIR      where results, logs and the report go (default build/nightly/<UTC time>)
  --db FILE      the SQLite history (default build/nightly/history.sqlite)
  --seed N       of all randomness (default: drawn, and printed)

exit codes
  0  every part ran and found nothing wrong
  1  something was found: a crash by a fuzzer, a random program that fails, a mismatch by the stress run, a confirmed
     regression (--against)
  3  system calls, allocations or instructions per operation are not those of results/baseline.json, or system calls
     are above their budget (outranks 1)
  2  usage
  5  a part could not run, or measured nothing (outranks all)
TEXT
}

fail_usage() { echo "nightly: $1; see --help" >&2; exit 2; }

budget=10m against="" out="" db="" seed=""
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --budget | --against | --out | --db | --seed)
      [ $# -ge 2 ] || fail_usage "$1 needs a value"
      declare "${1#--}=$2"
      shift 2 ;;
    *) fail_usage "unknown argument '$1'" ;;
  esac
done
[[ $budget =~ ^([0-9]{1,5})([smh])$ ]] || fail_usage "--budget is '$budget'; expected a number and s, m or h, as 10m"
case "${BASH_REMATCH[2]}" in s) unit=1 ;; m) unit=60 ;; *) unit=3600 ;; esac
seconds=$((10#${BASH_REMATCH[1]} * unit))
[ "$seconds" -ge 60 ] || fail_usage "--budget is '$budget'; expected at least 60s"
[ -n "$seed" ] || seed=$((RANDOM * 32768 + RANDOM + 1))
[[ $seed =~ ^[1-9][0-9]{0,8}$ ]] || fail_usage "--seed is '$seed'; expected a whole number from 1 to 999999999"
caller=$PWD
cd "$(dirname "$0")/.."
root=$PWD
[ -n "$out" ] || out=$root/build/nightly/$(date -u +%Y%m%dT%H%M%SZ)
[ -n "$db" ] || db=$root/build/nightly/history.sqlite
out=$(cd "$caller" && mkdir -p "$out" && cd "$out" && pwd)
db=$(cd "$caller" && mkdir -p "$(dirname "$db")" && cd "$(dirname "$db")" && pwd)/$(basename "$db")
bin=$root/build/bench/bin

worst=0
note() { [ "$1" -le "$worst" ] || worst=$1; }

# part NAME COMMAND...: runs it, shows and keeps what it prints. 1 and 3 mean that something was found, else not 0 means
# that the part did not run.
part() {
  local name=$1 code=0
  shift
  echo "== $name: $(date -u +%H:%M:%S)"
  "$@" </dev/null 2>&1 | tee "$out/$name.log" || code=${PIPESTATUS[0]}
  [ "$code" -eq 0 ] || echo "nightly: $name ended with exit code $code; its output is in $out/$name.log"
  case "$code" in 0 | 1 | 3) note "$code" ;; *) note 5 ;; esac
}

build() {
  cmake --preset bench >/dev/null && cmake --preset fuzz >/dev/null &&
    cmake --build --preset bench --target skysock skysock-bench skysock-perf skysock-sim skysock-stress &&
    cmake --build --preset fuzz --target skysock-fuzz
}

# The commit to compare with, built in a worktree of its own.
build_reference() {
  git worktree prune
  [ ! -d "$out/reference" ] || git worktree remove --force "$out/reference" || return 5
  git worktree add --detach "$out/reference" "$against" || return 5
  (cd "$out/reference" && cmake --preset bench >/dev/null && cmake --build --preset bench --target skysock) || return 5
}

# What strace sees of whole servers, against the budgets. The counts of the part before need no strace.
budgets() {
  local code=0
  "$bin/skysock-bench" --syscalls --gate --only skysock_workers0,skysock_uring --json "$out/syscalls.json" || code=$?
  [ "$code" -ne 6 ] || { echo "nightly: the budgets were not looked at"; code=0; }
  return "$code"
}

compare() {
  local -a sides=(--tuning-a max_events=512 --tuning-b max_events=16)
  # Each side with the service of its own tree.
  local service='lua/examples/echo.lua 127.0.0.1 0'
  [ -z "$against" ] || sides=(--a "reference=$out/reference/build/bench/bin/skysock $out/reference/$service"
    --b "tree=$bin/skysock $root/$service")
  local code=0
  "$bin/skysock-perf" compare "${sides[@]}" --budget $((seconds * 30 / 100)) --seed "$seed" --db "$db" \
    --json "$out/compare.json" || code=$?
  # Of two tunings neither is the one that must not be slower: that is a finding to read, not a failed night.
  [ -n "$against" ] || [ "$code" -ne 1 ] || code=0
  return "$code"
}

echo "nightly: budget ${seconds} s, seed $seed, results in $out"
part setup ./ci/setup.sh
part build build
[ -z "$against" ] || part reference build_reference
[ "$worst" -eq 0 ] || { echo "nightly: nothing was measured"; exit 5; }
# A quarter of the time. Each benchmark has a calibration that takes about twice the time of its measurement.
benchmarks=$("$bin/skysock-bench" --benchmark_list_tests=true | wc -l) ||
  { echo "nightly: the benchmarks cannot be counted"; exit 5; }
ms=$((seconds * 250 / (3 * benchmarks)))
part benchmarks "$bin/skysock-bench" --benchmark_min_time="$((ms / 1000)).$(printf %03d $((ms % 1000)))" \
  --json "$out/benchmark.json"
part counts "$bin/skysock-bench" --counts --instructions --check results/baseline.json --json "$out/counts.json"
part budgets budgets
part fuzzers build/fuzz/bin/skysock-fuzz run --jobs 2 --seconds $((seconds * 12 / 100)) --seed "$seed" \
  --artifacts "$out/artifacts" --json "$out/fuzz.json"
part simulation "$bin/skysock-sim" random --seconds $((seconds * 5 / 100)) --seed "$seed" --json "$out/sim.json" \
  --out "$out/failed.sim"
part stress "$bin/skysock-stress" --clients 4 --connections 32 --duration $((seconds * 15 / 100)) --seed "$seed" \
  --json "$out/stress.json"
part compare compare

inputs=(--benchmark "$out/benchmark.json" --stress "$out/stress.json" --fuzz "$out/fuzz.json")
part import "$bin/skysock-perf" import --db "$db" --kind nightly "${inputs[@]}"
part report "$bin/skysock-perf" report --db "$db" --out "$out/report.html" --compare "$out/compare.json" "${inputs[@]}"
part summary "$bin/skysock-perf" summary --json "$out/summary.json" --compare "$out/compare.json" "${inputs[@]}"
[ -z "$against" ] || git worktree remove --force "$out/reference"
[ ! -s "$out/report.html" ] || echo "report: $out/report.html"
exit "$worst"
