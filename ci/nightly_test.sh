#!/usr/bin/env bash
# Does the main job run from end to end and end with real figures? A 60 s run, in a folder of its own.
set -euo pipefail

cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

./ci/nightly.sh --budget 60s --seed 1 --out "$out/night" --db "$out/history.sqlite" | tee "$out/log"

fail() { echo "nightly_test: $1" >&2; exit 1; }

grep -q "^report: $out/night/report.html$" "$out/log" || fail "the last line does not name the report"
[ "$(wc -c <"$out/night/report.html")" -gt 50000 ] || fail "the report is too small to hold its plots"
grep -q '<canvas' "$out/night/report.html" || fail "the report has no plot"

check() { jq -e "$2" "$out/night/$1" >/dev/null || fail "$1: not so: $2"; }
check benchmark.json '[.benchmarks[] | select(.name | test("^BM_Accept/(skysock|lua|raw_epoll)")) | .items_per_second]
                      | length == 3 and all(. > 100)'
check benchmark.json '[.benchmarks[] | select(.name | test("^BM_ForwardMessage/")) | .items_per_second]
                      | length == 10 and all(. > 100)'
check benchmark.json '[.benchmarks[] | select(.error_occurred)] | length == 0'
check counts.json '(.scenarios | length > 20) and (.facts.kernel | length > 0) and (.busy | type == "array") and .took_s > 1'
grep -q '^nightly: the budgets were not looked at$' "$out/log" ||
  check syscalls.json '[.scenarios[].servers[].calls_per_operation] | length == 9 and all(. > 0)'
check fuzz.json 'length == 5 and all(.[]; .result == "ok" and .executions > 100)'
check sim.json '.passed and .programs > 1000'
check stress.json '.verdict == "pass" and .bytes_verified > 1000000 and .bytes_verified == .bytes_sent'
[ -s "$out/night/compare.json" ] || fail "no comparison was written"

runs=$(sqlite3 "$out/history.sqlite" 'SELECT count(*) FROM run')
samples=$(sqlite3 "$out/history.sqlite" 'SELECT count(*) FROM sample')
[ "$runs" -eq 2 ] || fail "the history holds $runs runs; expected the night and its comparison"
[ "$samples" -gt 100 ] || fail "the history holds only $samples samples"
echo "nightly_test: $samples samples recorded"
