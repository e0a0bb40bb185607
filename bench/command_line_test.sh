#!/bin/sh
# Does skysock-bench say no, with the documented exit code, to everything it could not measure?
# Usage: command_line_test.sh PATH-OF-SKYSOCK-BENCH
bench=$1
failed=0
output=$(mktemp)
json=$(mktemp)
trap 'rm -f "$output" "$json"' EXIT

expect() {  # EXIT TEXT ARGUMENT...
  want=$1 text=$2
  shift 2
  "$bench" "$@" >"$output" 2>&1
  got=$?
  if [ "$got" -ne "$want" ] || ! grep -qF -e "$text" "$output"; then
    echo "skysock-bench $*: expected exit $want and '$text', got exit $got and:"
    cat "$output"
    failed=1
  fi
}

expect 0 "Exit codes:" --help
expect 0 "BM_Accept/raw_epoll/real_time" --benchmark_list_tests=true
# Every benchmark has a description, those of --full too: without one this is exit 1.
expect 0 "  BM_Accept " --list --full
expect 0 "  echo_64x64B " --list
expect 0 "  --compare-peers " --list
expect 5 "no benchmark matches" --list --benchmark_filter=BM_Moon
expect 2 "expected same-cpu, cross-cpu" --placement moon
expect 2 "no key 'moon'" --tuning moon=1
expect 2 "unrecognized" --moon
expect 5 "no benchmark matches" --benchmark_filter=BM_Moon
# A server that cannot start: the Lua script is not there.
expect 1 "benchmark run(s) failed" --placement free --source-dir /nowhere \
  --benchmark_filter=BM_Accept/lua
expect 0 "items_per_second" --placement same-cpu --benchmark_min_time=0.001 \
  --benchmark_filter=BM_Accept/raw_epoll --json "$json"
for key in '"placement": "same-cpu"' '"server_cpu_us_per_operation": ' '"git": "' \
  '"libraries": "glibc ' '"load_average_at_start": "' '"stolen_share": ' '"busy": ['; do
  if ! grep -qF -e "$key" "$json"; then
    echo "--json: expected $key in:"
    cat "$json"
    failed=1
  fi
done
expect 0 "(3 benchmarks)" --list --benchmark_filter=BM_Accept --json "$json"
jq -e '.kind == "list" and (.groups[0].lines == [{name: "BM_Accept", benchmarks: 3,
       question: .groups[0].lines[0].question}]) and (.groups | length == 4)
       and all(.groups[].lines[]; .question | length > 10)' "$json" >/dev/null ||
  { echo "--list --json: not so:"; cat "$json"; failed=1; }
expect 2 "skysock-bench: --json '/nonexistent/x': cannot write: No such file or directory" \
  --json /nonexistent/x
exit $failed
