#!/usr/bin/env bash
# Installs every Debian 12 package that skysock's build, tests and nightly run need. Idempotent: when nothing is
# missing it only asks dpkg and returns in well under a second.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ci/setup.sh [--check] [--help]

Installs the Debian packages that skysock needs (apt only, as root or through sudo).

  --check   install nothing; list what is missing
  --help    this text

exit codes: 0 everything is present; 1 --check found something missing, or apt failed; 2 usage
TEXT
}

packages=(
  # compilers and build
  clang-19 clang-tidy-19 clang-format-19 llvm-19 lld-19 libclang-rt-19-dev libfuzzer-19-dev g++ cmake ninja-build
  ccache git ca-certificates pkg-config
  # libraries
  libfmt-dev libcli11-dev nlohmann-json3-dev libsqlitecpp-dev libsqlite3-dev libboost-context-dev libboost-dev
  libbenchmark-dev libgtest-dev libgmock-dev liblua5.4-dev liburing-dev libuv1-dev libasio-dev libjs-chart.js
  # used by tests and scripts
  curl lua5.4 redis-server redis-tools socat shellcheck sqlite3 jq linux-perf strace valgrind util-linux procps wrk
)

check_only=0
case "${1-}" in
  "") ;;
  --check) check_only=1 ;;
  --help | -h) usage; exit 0 ;;
  *) echo "setup: unknown argument '$1'; expected --check or --help" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all ${#packages[@]} packages are present"
  exit 0
fi
if [ "$check_only" = 1 ]; then
  printf 'setup: missing: %s\n' "${missing[*]}"
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: run as root, or install sudo" >&2; exit 1; }
  as_root=(sudo)
fi
echo "setup: installing ${#missing[@]} of ${#packages[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -qq update </dev/null
"${as_root[@]}" apt-get -qq install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
echo "setup: done"
