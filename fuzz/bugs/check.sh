#!/usr/bin/env bash
# Re-plants each known bug in a temporary git worktree and lets its finder look for it.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: fuzz/bugs/check.sh [--json FILE] [--sim SECONDS] [NAME...]
       fuzz/bugs/check.sh --apply-only [NAME...]
Plants fuzz/bugs/NAME.patch (default: every patch) into a temporary worktree of HEAD, builds the
preset `fuzz` there and runs the finder named in the patch's header:
  finder: fuzz FUZZER SECONDS   the fuzzer must report a crash within SECONDS
  finder: compiler TARGET       TARGET must not compile because of a failed static assertion
  finder: test TARGET [FILTER]  the test program TARGET must fail, in a test that FILTER names
  finder: lua SCRIPT CASE       that case of lua/test/SCRIPT must fail
  finder: sim random SECONDS    `skysock-sim random` must find it within SECONDS
--sim SECONDS: `skysock-sim random` (preset `sim`) must find them instead, within SECONDS each;
without NAME, those that it or control_stream_fuzzer finds. The row says how short its program became.
--apply-only: plants nothing, only says whether every patch still fits the files as they are.
Exit codes: 0 all found; 1 one was not found; 2 usage, or a patch does not apply or build.
TEXT
}

fail() { echo "check.sh: $*" >&2; exit 2; }

json=''
sim=''
apply_only=''
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --json) json=${2:?--json needs a file}; shift 2 ;;
    --sim)
      sim=${2:?--sim needs a number of seconds}
      [[ $sim =~ ^[1-9][0-9]*$ ]] || fail "--sim is '$sim': expected a whole number of seconds from 1"
      shift 2
      ;;
    --apply-only) apply_only=yes; shift ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
  esac
done

bugs=$(cd "$(dirname "$0")" && pwd)
root=$(git -C "$bugs" rev-parse --show-toplevel)
named=$#
if [ "$named" -eq 0 ]; then
  for patch in "$bugs"/*.patch; do set -- "$@" "$(basename "$patch" .patch)"; done
fi
for name in "$@"; do
  [ -f "$bugs/$name.patch" ] || fail "no patch $bugs/$name.patch"
done

if [ -n "$apply_only" ]; then
  missed=0
  for name in "$@"; do
    git -C "$root" apply --check "$bugs/$name.patch" || { echo "$name does not apply"; missed=1; }
  done
  exit "$missed"
fi

work=$(mktemp -d)
tree=$work/tree
# shellcheck disable=SC2317  # The trap calls it.
cleanup() {
  git -C "$root" worktree remove --force "$tree" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
git -C "$root" worktree add --quiet --detach "$tree" HEAD

preset=fuzz
use_preset() { # fuzz or sim
  preset=$1
  (cd "$tree" && cmake --preset "$preset" >"$work/configure.log" 2>&1) || fail "$(tail -5 "$work/configure.log")"
}
build() { (cd "$tree" && cmake --build --preset "$preset" --target "$@") >"$work/build.log" 2>&1; }

# Prints "found" or "not found"; leaves an explanation in $work/run.log.
look() { # kind, what, seconds or filter
  case "$1" in
    compiler)
      if build "$2"; then echo 'not found'; return; fi
      grep -q 'static assertion failed' "$work/build.log" || fail "$(tail -20 "$work/build.log")"
      echo found
      ;;
    test)
      build "$2" || fail "$(tail -20 "$work/build.log")"
      date +%s%N >"$work/started"
      local command=("$tree/build/fuzz/bin/$2" --gtest_filter="${3-*}" --gtest_fail_fast)
      if timeout 300 "${command[@]}" >"$work/run.log" 2>&1; then echo 'not found'; return; fi
      grep -qaE '\[  FAILED  \]|check failed: |Sanitizer: ' "$work/run.log" ||
        fail "$(tail -5 "$work/run.log")"
      echo found
      ;;
    lua)
      build skysock || fail "$(tail -20 "$work/build.log")"
      date +%s%N >"$work/started"
      command=("$tree/build/fuzz/bin/skysock" --tuning workers=2 "$tree/lua/test/$2" "$3")
      if timeout 300 "${command[@]}" >"$work/run.log" 2>&1; then echo 'not found'; return; fi
      grep -qa '^skysock: error: ' "$work/run.log" || fail "$(tail -5 "$work/run.log")"
      echo found
      ;;
    fuzz)
      build skysock-fuzz "$2_fuzzer" || fail "$(tail -20 "$work/build.log")"
      local status=0
      "$tree/build/fuzz/bin/skysock-fuzz" run --fuzzer "$2" --seconds "$3" \
        --artifacts "$work/artifacts" >"$work/run.log" 2>/dev/null || status=$?
      case "$status" in
        0) echo 'not found' ;;
        1) echo found ;;
        *) fail "$(tail -5 "$work/run.log")" ;;
      esac
      ;;
    sim)
      build skysock-sim || fail "$(tail -20 "$work/build.log")"
      local status=0
      "$tree/build/$preset/bin/skysock-sim" random --seed 1 --count 1000000000 --seconds "$3" \
        >"$work/run.log" 2>&1 || status=$?
      case "$status" in
        0) echo 'not found' ;;
        1) echo found ;;
        *) fail "$(tail -5 "$work/run.log")" ;;
      esac
      ;;
    *) fail "unknown finder '$1'" ;;
  esac
}

evidence_pattern='skysock: error: .*|check failed: .*|SUMMARY: [A-Z][A-Za-z]*Sanitizer: .*|[a-z_]+\.[ch]pp:[0-9]+: Failure'
rows=''
missed=0
for name in "$@"; do
  read -r kind what detail < <(sed -n 's/^finder: *//p' "$bugs/$name.patch") || true
  if [ -n "$sim" ]; then
    [ "$named" -gt 0 ] || [ "$kind" = sim ] || [ "$kind $what" = 'fuzz control_stream' ] || continue
    kind=sim what=random detail=$sim
  fi
  git -C "$tree" apply "$bugs/$name.patch" || fail "$name does not apply"
  use_preset "$([ "$kind" = sim ] && echo sim || echo fuzz)"
  date +%s%N >"$work/started"
  look "$kind" "$what" ${detail:+"$detail"} >"$work/result"
  took=$((($(date +%s%N) - $(cat "$work/started")) / 1000000))
  result=$(cat "$work/result")
  if [ "$kind" = fuzz ]; then took=$(sed -n 's/.* executions in \([0-9.]*\) s,.*/\1/p' "$work/run.log")
  elif [ "$kind" = sim ]; then took=$(sed -n 's/.* operations each, \([0-9.]*\) s,.*/\1/p' "$work/run.log")
  else took=$(awk "BEGIN { printf \"%.1f\", $took / 1000 }"); fi
  evidence=$(grep -aoE "$evidence_pattern" "$work/run.log" 2>/dev/null | head -1 || true)
  shrunk=$(grep -aoE 'from [0-9]+ operations to [0-9]+' "$work/run.log" 2>/dev/null | head -1 || true)
  evidence="$evidence${shrunk:+; $shrunk}"
  printf '%-42s %-9s %6s s  %s %s  %s\n' "$name" "$result" "$took" "$kind" "$what" "$evidence"
  [ "$result" = found ] || missed=1
  rows="$rows${rows:+,}{\"bug\":\"$name\",\"finder\":\"$kind $what\",\"result\":\"$result\",\"seconds\":$took}"
  rm -f "$work/run.log"
  git -C "$tree" checkout --quiet -- .
done
if [ -n "$json" ]; then printf '[%s]\n' "$rows" >"$json"; fi
exit "$missed"
