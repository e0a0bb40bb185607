# shellcheck shell=bash
# For tests of the examples, sourced: start_server SKYSOCK SCRIPT starts it on a free port of 127.0.0.1, sets `address` and
# `directory` (temporary), and ends it with the test. stop_server checks that SIGTERM ends it with 0.

directory=$(mktemp -d)
processes=() # What ends with the test.
trap 'kill "${processes[@]}" 2>/dev/null || true; rm -rf "$directory"' EXIT

fail() {
  echo "$*" >&2
  exit 1
}

# Runs the command until it succeeds; fails after 20 s.
await() {
  local tries=200
  until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "still not: $*"
    sleep 0.1
  done
}

server_options=(--tuning workers=2)

start_server() {
  : >"$directory/server" # A server before this one has written there, too.
  "$1" "${server_options[@]}" "$2" 127.0.0.1 0 >"$directory/server" &
  server=$!
  processes+=("$server")
  await grep -q '^listening on ' "$directory/server"
  export address
  address=$(sed -n 's/^listening on //p' "$directory/server")
}

stop_server() {
  local status=0
  kill -TERM "$server"
  wait "$server" || status=$?
  [ "$status" -eq 0 ] || fail "SIGTERM: exit code $status, 0 expected"
}

# expect WHAT WANTED GOT
expect() {
  [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}
