#!/usr/bin/env bash
# Does bench/readme_table.sh put the numbers of a record into a README, and see one that was changed there?
# Usage: readme_table_test.sh PATH-OF-README_TABLE.SH
set -euo pipefail
script=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >record.json <<'EOF'
{"kind": "compare_peers", "complete": true, "rounds": 13, "slice_s": 0.2, "seed": 1, "busy": ["stolen"],
 "left_out": [{"name": "plain_uring", "because": "no io_uring"}],
 "facts": {"placement": "cross-cpu", "cpus": "2", "cpu": "A CPU", "kernel": "6.1", "compiler": "Clang 19",
           "git": "0123456789abcdef-dirty"},
 "scenarios": [
  {"name": "echo_64x64B", "operation": "message", "servers": [
   {"name": "plain_epoll", "cpu_us_per_operation_p10": 5.1849, "latency_us": {"p99": 250.4}, "load_limited": true,
    "ratio_to_plain_epoll": {"of_p10": 1.0, "unresolved": false}},
   {"name": "skysock_workers0", "cpu_us_per_operation_p10": 5.3, "latency_us": {"p99": 26.04}, "load_limited": false,
    "intended_operations_per_second": 79600.5,
    "ratio_to_plain_epoll": {"of_p10": 1.0236, "unresolved": true}}]},
  {"name": "held_idle", "operation": "second", "servers": [
   {"name": "plain_epoll", "cpu_us_per_operation_p10": 0.04, "latency_us": null, "load_limited": false,
    "rss_bytes_per_connection": 1741, "ratio_to_plain_epoll": null}]}]}
EOF
printf '# Title\n\n<!-- table: begin -->\nold\n<!-- table: end -->\n\nafter\n' >README.md
cat >expected.md <<'EOF'
# Title

<!-- table: begin -->

| Scenario, CPU per | `plain_epoll`, us | `skysock_workers0` | p99 us, `plain_epoll` | p99 us, `skysock_workers0` |
| --- | --- | --- | --- | --- |
| `echo_64x64B`, message | 5.18 | 1.024? | 250! | 26.0 at 80 k/s |
| `held_idle`, KiB per connection | 1.70 |  | - |  |

EOF

expect() { # EXIT TEXT ARGUMENT...
  want=$1 text=$2
  shift 2
  got=0
  "$script" "$@" >said 2>&1 || got=$?
  if [ "$got" -ne "$want" ] || { [ -n "$text" ] && ! grep -qF -e "$text" said; }; then
    echo "readme_table.sh $*: expected exit $want and '$text', got exit $got and:"
    cat said
    exit 1
  fi
}

expect 0 "usage:" --help
expect 1 "is not the one of 'record.json'" --check record.json README.md
expect 0 "" record.json README.md
diff <(head -n 9 README.md) expected.md
for text in '13 rounds of 0.2 s' 'commit 0123456789ab with changes' 'busy: stolen.' \
  'plain_uring could not run: no io_uring.'; do
  grep -qF -e "$text" README.md || { echo "expected '$text' in:" && cat README.md && exit 1; }
done
[ "$(tail -n 1 README.md)" = after ]
expect 0 "" --check record.json README.md
expect 0 "| 1.024? |" --print record.json
sed -i 's/1.024?/1.000/' README.md
expect 1 "+| \`echo_64x64B\`, message | 5.18 | 1.024? |" --check record.json README.md

expect 2 "'nowhere.json': cannot read it" nowhere.json
echo '{"kind": "memory"}' >other.json
expect 2 "'other.json': expected a whole record" other.json
echo 'no marks' >bare.md
expect 2 "'bare.md': expected the line '<!-- table: begin -->' once" record.json bare.md
expect 2 "unknown option '--moon'" --moon
echo 'readme_table: as expected'
