#!/usr/bin/env bash
# Plants each change of bench/counts/planted/ in a temporary git worktree: the counts must tell.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: bench/counts/check_planted.sh BUILD_DIR
       bench/counts/check_planted.sh --apply-only
BUILD_DIR: of the preset bench, with skysock-bench built. Checks that a worktree of HEAD counts as results/baseline.json
says; then, for each patch, builds counted_scenarios with it and lets `skysock-bench --counts --instructions --check`
look: it must exit with 3 and name the metric in the patch's header, with old and new.
--apply-only: plants nothing, only says whether every patch still fits the files as they are.
Exit codes: 0 all found; 1 one was not found; 2 usage, or a patch does not apply or build.
TEXT
}

fail() { echo "check_planted: $*" >&2; exit 2; }

case "${1-}" in
  --help | -h) usage; exit 0 ;;
esac
[ $# -eq 1 ] || { usage >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$(git -C "$here" rev-parse --show-toplevel)
patches=("$here"/planted/*.patch)
[ -f "${patches[0]}" ] || fail "no patch in $here/planted"

if [ "$1" = --apply-only ]; then
  missed=0
  for patch in "${patches[@]}"; do
    git -C "$root" apply --check "$patch" || { echo "$(basename "$patch") does not apply"; missed=1; }
  done
  exit "$missed"
fi
bench=$(realpath "$1")/bin/skysock-bench
[ -x "$bench" ] || fail "no program '$bench'; build the target skysock-bench first"

work=$(mktemp -d)
tree=$work/tree
# shellcheck disable=SC2317  # The trap calls it.
cleanup() {
  git -C "$root" worktree remove --force "$tree" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
git -C "$root" worktree add --quiet --detach "$tree" HEAD
(cd "$tree" && cmake --preset bench >"$work/configure.log" 2>&1) || fail "$(tail -5 "$work/configure.log")"

# Leaves the exit code in `status` and the text in $work/run.log.
look() {
  (cd "$tree" && cmake --build --preset bench --target counted_scenarios) >"$work/build.log" 2>&1 ||
    fail "$(tail -20 "$work/build.log")"
  cp "$bench" "$tree/build/bench/bin/" # It runs the counted_scenarios beside it.
  status=0
  "$tree/build/bench/bin/skysock-bench" --counts --instructions --scenario echo_64B_1,echo_64B_100 \
    --check "$root/results/baseline.json" >"$work/run.log" 2>&1 || status=$?
}

look
if [ "$status" -ne 0 ] || grep -q 'not compared' "$work/run.log"; then
  fail "without a planted change: exit $status, $(grep '^counts: ' "$work/run.log")"
fi
echo "nothing planted: $(grep ' as in ' "$work/run.log")"
missed=0
for patch in "${patches[@]}"; do
  metric=$(sed -n 's/^metric: *//p' "$patch")
  git -C "$tree" apply "$patch" || fail "$(basename "$patch") does not apply"
  look
  if [ "$status" -eq 3 ] && line=$(grep -m1 -E "^counts: echo_64B_1: $metric: old .*, new " "$work/run.log"); then
    echo "$(basename "$patch" .patch): found: $line"
  else
    echo "$(basename "$patch" .patch): NOT found, exit $status:"
    cat "$work/run.log"
    missed=1
  fi
  git -C "$tree" checkout --quiet -- .
done
exit "$missed"
