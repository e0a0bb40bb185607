#!/usr/bin/env bash
# What limits a server in a scenario? Samples where its CPU time goes while `skysock-bench --compare-peers` loads it.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: bench/profile.sh [--scenario NAME] [--seconds N] [--top N] [--json FILE] -- COMMAND [ARG...]

Runs COMMAND, a server that prints "listening on HOST:PORT", under `perf record` and loads it with one scenario of
`skysock-bench --compare-peers`, every answer checked. Prints the shares of its CPU time: kernel, the program, each
library; then the functions that took most.

  --scenario NAME  of `skysock-bench --compare-peers --help` (default echo_64x64B)
  --seconds N      of load, 1 to 60 (default 5)
  --top N          functions to print, 1 to 100 (default 12)
  --json FILE      write the shares to this file, too

Example: bench/profile.sh -- build/bench/bin/skysock --tuning workers=0 lua/examples/echo.lua 127.0.0.1 0

exit codes: 0 printed; 1 the load or the server failed; 2 usage; 6 perf cannot sample here (package linux-perf, root)
TEXT
}

fail() { echo "profile: $2" >&2; exit "$1"; }

scenario=echo_64x64B seconds=5 top=12 json=""
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --scenario | --seconds | --top | --json)
      [ $# -ge 2 ] || fail 2 "$1 needs a value; see --help"
      declare "${1#--}=$2"
      shift 2 ;;
    --) shift; break ;;
    *) fail 2 "unknown argument '$1'; expected an option or -- COMMAND; see --help" ;;
  esac
done
[ $# -gt 0 ] || fail 2 'no server; expected -- COMMAND [ARG...]; see --help'
[[ $seconds =~ ^[1-9][0-9]?$ && $seconds -le 60 ]] || fail 2 "--seconds is '$seconds'; expected 1 to 60"
[[ $top =~ ^[1-9][0-9]?$|^100$ ]] || fail 2 "--top is '$top'; expected 1 to 100"
bench=$(cd "$(dirname "$0")/.." && pwd)/build/bench/bin/skysock-bench
[ -x "$bench" ] || fail 1 "no program '$bench'; build the target skysock-bench of the preset bench first"
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
perf record -e cpu-clock -o "$directory/try" true >/dev/null 2>"$directory/why" ||
  fail 6 "perf cannot sample: $(tail -n 1 "$directory/why")"

command=$(printf '%q ' "$@")
code=0
# A server takes part in every scenario when its command is told the mode; here the user chose both.
"$bench" --compare-peers --only profiled --scenario "$scenario" --rounds 1 --slice "$seconds" --no-syscalls \
  --server "profiled=env MODE={mode} perf record -q -F 5000 -e cpu-clock -o $directory/data -- $command" \
  >"$directory/load" || code=$?
[ "$code" -ne 2 ] || exit 2
[ "$code" -eq 0 ] || { cat "$directory/load" >&2; fail 1 'the load failed, see above'; }

# Share, object, function: one line each, largest first.
perf report -i "$directory/data" --sort dso,symbol --no-children -F overhead,dso,symbol -t '|' 2>/dev/null |
  sed -nE 's/^ *([0-9.]+)% *\| *([^|]*[^ |]) *\| *\[[.k]\] *([^| ][^|]*[^ |]) *(\|.*)?$/\1\t\2\t\3/p' |
  sort -rn >"$directory/functions"
[ -s "$directory/functions" ] || fail 1 'perf took no sample'
printf '%s under %s, %s s\n\nshare    object\n' "$*" "$scenario" "$seconds"
awk -F '\t' '{ sum[$2] += $1 } END { for (name in sum) printf "%5.1f %%  %s\n", sum[name], name }' \
  "$directory/functions" | sort -rn | awk '$1 >= 0.1'
printf '\nshare    function (object)\n'
head -n "$top" "$directory/functions" | awk -F '\t' '{ printf "%5.1f %%  %s (%s)\n", $1, $3, $2 }'
[ -z "$json" ] || jq -Rn --arg command "$*" --arg scenario "$scenario" --argjson seconds "$seconds" '
  {command: $command, scenario: $scenario, seconds: $seconds, functions: [inputs | split("\t") |
    {share_percent: (.[0] | tonumber), object: .[1], function: .[2]}]}' "$directory/functions" >"$json" ||
  fail 1 "--json '$json': cannot write"
