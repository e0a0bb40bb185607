#!/usr/bin/env bash
# Makes the table of a README from what `skysock-bench --compare-peers --json` recorded, so that no number is typed.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: bench/readme_table.sh [--check | --print] [RECORD [README]]

Replaces what stands in README (README.md) between the lines <!-- table: begin --> and <!-- table: end --> by the table
of RECORD (results/peers.json): CPU per operation as a ratio to plain epoll, with "?" where the run did not resolve it.

  --check   change nothing; is the table in README the one of RECORD?
  --print   only print the table

exit codes: 0 done, or the same; 1 with --check: another table; 2 wrong use, or a file is not as expected, named
EOF
}

fail() {
  echo "readme_table: $1" >&2
  exit 2
}

action="write"
case "${1-}" in
  --help | -h) usage && exit 0 ;;
  --check | --print) action=${1#--} && shift ;;
  -*) fail "unknown option '$1'; see --help" ;;
esac
[ $# -le 2 ] || fail "too many words: expected [RECORD [README]], see --help"
root=$(cd "$(dirname "$0")/.." && pwd)
record=${1:-$root/results/peers.json}
readme=${2:-$root/README.md}
begin='<!-- table: begin -->'
end='<!-- table: end -->'

[ -r "$record" ] || fail "'$record': cannot read it; expected the file of skysock-bench --compare-peers --json"
jq -e '.kind == "compare_peers" and .complete and (.scenarios | length > 0)' "$record" >/dev/null 2>&1 ||
  fail "'$record': expected a whole record of skysock-bench --compare-peers with at least one scenario"
table=$(jq -r -f "$root/bench/readme_table.jq" "$record")
[ "$action" != print ] || { printf '%s\n' "$table" && exit 0; }

[ -w "$readme" ] || fail "'$readme': cannot write it"
for mark in "$begin" "$end"; do
  [ "$(grep -cxF -e "$mark" "$readme")" -eq 1 ] || fail "'$readme': expected the line '$mark' once"
done
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
{
  sed "/^$begin\$/q" "$readme"
  printf '\n%s\n\n' "$table"
  sed -n "/^$end\$/,\$p" "$readme"
} >"$wanted"
if cmp -s "$wanted" "$readme"; then
  exit 0
elif [ "$action" = check ]; then
  diff -u "$readme" "$wanted" || true
  echo "readme_table: the table of '$readme' is not the one of '$record'; bench/readme_table.sh makes it" >&2
  exit 1
fi
cat "$wanted" >"$readme"
