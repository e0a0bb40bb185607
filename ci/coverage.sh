#!/usr/bin/env bash
# How much of core/net do its own tests run? Builds them in the preset `coverage`, runs them as ctest does and adds up
# what was covered. A line of a template counts once, for all kernels it is made for; so does a branch.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ci/coverage.sh [--json FILE] [--uncovered] [--help]

Prints line and branch coverage of every file of core/net (tests aside) by the core tests of net, and the totals.
The branches of SKYSOCK_CHECK do not count.

  --json FILE   write the figures to FILE
  --uncovered   list the lines and the branches that no test took, too
  --help        this text

exit codes
  0  at least 95 % of the lines and 85 % of the branches
  1  less
  2  usage
  3  the build or a test failed: its output is named
  5  nothing was measured
TEXT
}

fail_usage() { echo "coverage: $1; see --help" >&2; exit 2; }

json="" uncovered=false
while [ $# -gt 0 ]; do
  case "$1" in
    --json) [ $# -ge 2 ] || fail_usage "--json needs a FILE"; json=$(realpath -m -- "$2"); shift 2 ;;
    --uncovered) uncovered=true; shift ;;
    --help | -h) usage; exit 0 ;;
    *) fail_usage "unknown argument '$1'" ;;
  esac
done

cd "$(dirname "$0")/.."
programs=(net_test direct_write_stress_test step_trace_test)
bin=build/coverage/bin out=$PWD/build/coverage/report
rm -rf "$out"
mkdir -p "$out"

{ cmake --preset coverage && cmake --build --preset coverage --target "${programs[@]}"; } >"$out/build.log" 2>&1 ||
  { echo "coverage: the build failed: $out/build.log" >&2; exit 3; }

failed=0
run() {
  local name=$1
  shift
  LLVM_PROFILE_FILE="$out/$name.%p.profraw" "$@" >"$out/$name.log" 2>&1 && return
  echo "coverage: a test failed: $out/$name.log" >&2
  failed=1
}
for program in "${programs[@]}"; do run "$program" "$bin/$program"; done
for tuning in poller=epoll_et poller=io_uring control=pipe; do
  run "net_test.$tuning" env SKYSOCK_TEST_TUNING="$tuning" "$bin/net_test" '--gtest_filter=*On/*'
done

shopt -s nullglob
profiles=("$out"/*.profraw)
[ ${#profiles[@]} -gt 0 ] || { echo "coverage: no test left a profile" >&2; exit 5; }
llvm-profdata-19 merge -sparse "${profiles[@]}" -o "$out/all.profdata"
measured() {
  llvm-cov-19 export "$@" -instr-profile="$out/all.profdata" "${programs[@]/#/--object=$bin/}" \
    -ignore-filename-regex='(_test\.cpp|/test_[^/]*\.hpp)$' -sources core/net 2>>"$out/llvm-cov.log"
}
# The summaries of llvm-cov take the best instance of a template; these take all of them together.
measured -format=lcov |
  awk -F '[:,]' '/^SF:/ { file = substr($0, 4) } /^DA:/ { print file "\t" $2 "\t" $3 }' >"$out/lines"
measured | jq -r '.data[0].files[] | .filename as $file | [.branches[][0:6]] | group_by(.[0:4])[]
  | [$file, .[0][0], .[0][1], (map(.[4]) | add), (map(.[5]) | add)] | @tsv' >"$out/branches"

jq -n --rawfile lines "$out/lines" --rawfile branches "$out/branches" --arg root "$PWD/" '
  def rows: split("\n")[:-1] | map(split("\t") | [(.[0] | ltrimstr($root)), (.[1:] | map(tonumber))]);
  def percent: if .of == 0 then 100 else 100 * .covered / .of end;
  def tally: {covered: (map(select(. > 0)) | length), of: length} | .percent = percent;
  def sum: {covered: (map(.covered) | add // 0), of: (map(.of) | add // 0)} | .percent = percent;
  ($lines | rows) as $l | ($branches | rows) as $b
  | [$l | group_by(.[0])[] | .[0][0] as $file
     | {file: $file, lines: (map(.[1][1]) | tally),
        branches: ([$b[] | select(.[0] == $file) | .[1][2, 3]] | tally),
        uncovered: {lines: map(.[1] | select(.[1] == 0) | .[0]),
                    branches: [$b[] | select(.[0] == $file) | .[1] | . as [$line, $column, $true, $false]
                               | ({taken: "true", count: $true}, {taken: "false", count: $false})
                               | select(.count == 0) | "\($line):\($column) \(.taken)"]}}]
  | {total: {lines: (map(.lines) | sum), branches: (map(.branches) | sum)}, files: .}' >"$out/coverage.json"
[ -z "$json" ] || cp "$out/coverage.json" "$json"

jq -r --argjson uncovered "$uncovered" '
  def cell: (.percent * 10 | floor / 10 | tostring) + " % of " + (.of | tostring);
  ["file", "lines", "branches"],
  (.files[] | [.file, (.lines | cell), (.branches | cell)], (select($uncovered) | .uncovered
    | ["", "lines:", (.lines | join(" "))], ["", "branches:", (.branches | join(", "))])),
  ["total", (.total.lines | cell), (.total.branches | cell)] | @tsv' "$out/coverage.json" |
  column -t -s "$(printf '\t')"

[ "$failed" -eq 0 ] || exit 3
jq -e '.total.lines.covered > 0' "$out/coverage.json" >/dev/null || exit 5
jq -e '.total | .lines.percent >= 95 and .branches.percent >= 85' "$out/coverage.json" >/dev/null || exit 1
