# shellcheck shell=bash
# For scripts that hold a table of names against the tests of a build. They source this file, define usage(), and say
# "usage: NAME BUILD_DIR [TABLE]".

# named_tests_arguments TABLE ARGUMENT...: goes to the project's root and sets `build` and `table` (TABLE, from the root,
# unless the second argument is another).
named_tests_arguments() {
  local default=$1
  shift
  case "${1-}" in
    --help | -h) usage; exit 0 ;;
  esac
  if [ $# -lt 1 ] || [ $# -gt 2 ] || [ ! -f "$1/CTestTestfile.cmake" ]; then
    usage >&2
    exit 2
  fi
  build=$(cd "$1" && pwd)
  table=$default
  if [ $# -eq 2 ]; then table=$(realpath "$2"); fi
  cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 5
  [ -f "$table" ] || exit 5
}

# The names of all tests, as ctest -N lists them, without the type or parameter behind them:
# "  Test #7: Suite.Name<Suite/Kernel.  # TypeParam = ...>" is Suite.Name, "  Test #8: Cases/Suite.Name/0  # ..." is
# Cases/Suite.Name/0.
named_tests() {
  ctest --test-dir "$build" -N | sed -nE 's/^ *Test +#[0-9]+: //; T; s/(<| +#).*//; p'
}

# The words of $1 between backticks, one a line.
quoted() { grep -o "\`[^\`]*\`" <<<"$1" | tr -d "\`" || true; }
