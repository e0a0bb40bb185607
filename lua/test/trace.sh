#!/bin/sh
# Can the life of a connection be read back from a trace, in order, and does --read-trace notice
# damage, and does a disk that fills leave the server alone?
# Usage: trace.sh SKYSOCK
set -eu
skysock=$1
directory=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$directory"' EXIT

fail() { echo "$*" >&2; exit 1; }

# serve ARG...: starts an echo server; sets server and address.
serve() {
  : >"$directory/out"
  "$skysock" --native echo --listen 127.0.0.1:0 "$@" >"$directory/out" 2>"$directory/err" &
  server=$!
  tries=100
  until grep -q listening "$directory/out"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "no 'listening on' line after 10 s"
    sleep 0.1
  done
  address=$(sed -n 's/^listening on //p' "$directory/out")
}

exchange() {
  answer=$(echo hello | socat -t 10 - "TCP:$address")
  [ "$answer" = hello ] || fail "'hello' expected, got '$answer'"
}

end_server() {
  kill -TERM "$server"
  status=0
  wait "$server" || status=$?
  server=
  [ "$status" -eq 0 ] || fail "exit code $status, 0 expected"
}

trace=$directory/trace
serve --trace "$trace"
exchange
end_server
"$skysock" --read-trace "$trace" >"$directory/text"

# One after another: what each line must hold.
line=0
while IFS= read -r wanted; do
  next=$(tail -n "+$((line + 1))" "$directory/text" | grep -nF -- "$wanted" | head -n 1 | cut -d: -f1)
  [ -n "$next" ] || { cat "$directory/text" >&2; fail "no '$wanted' behind line $line"; }
  line=$((line + next))
done <<'STEPS'
plisten + start -> listening, emits OPEN
listening + accepted -> listening, emits ACCEPT
paccept + start -> connected, emits OPEN
connected + received -> connected, emits DATA
connected + eof -> halfclose_read, emits CLOSE
-> free
STEPS

id=$(sed -n 's/.* id \([0-9]*\) .*paccept + start.*/\1/p' "$directory/text")
"$skysock" --read-trace "$trace" --id "$id" >"$directory/one"
grep -F " id $id " "$directory/text" | cmp - "$directory/one" || fail "--id $id shows other lines"
if "$skysock" --read-trace "$trace" --id 77 2>"$directory/err"; then fail "id 77 was found"; fi
grep -qF "no step of id 77" "$directory/err"

# A byte in the third step, at 16 + 2 * 24: the two before are still printed.
printf '\377' | dd of="$trace" bs=1 seek=70 conv=notrunc 2>/dev/null
if "$skysock" --read-trace "$trace" >"$directory/text" 2>"$directory/err"; then
  fail "damage was not noticed"
fi
grep -qF "$trace: offset 64: step 2 is damaged" "$directory/err" || fail "$(cat "$directory/err")"
[ "$(wc -l <"$directory/text")" -eq 2 ] || fail "2 steps before the damage expected"

# Nobody reads what is printed: an error, not a signal.
serve --trace "$trace"
exchange
end_server
status=0
"$skysock" --read-trace "$trace" >/dev/full 2>"$directory/err" || status=$?
[ "$status" -eq 1 ] || fail "exit code $status after a failed print, 1 expected"
grep -qF "cannot write to standard output: No space" "$directory/err" || fail "$(cat "$directory/err")"

# The disk takes one block: one warning, and the server goes on.
: >"$directory/out"
(
  ulimit -f 1
  exec "$skysock" --trace "$trace" --native echo --listen 127.0.0.1:0 \
    >"$directory/out" 2>"$directory/err"
) &
server=$!
tries=100
until grep -q listening "$directory/out"; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || fail "no 'listening on' line after 10 s"
  sleep 0.1
done
address=$(sed -n 's/^listening on //p' "$directory/out")
for _ in 1 2 3 4 5 6 7 8 9 10; do exchange; done
end_server
[ "$(grep -cF "the trace $trace ends here: File too large" "$directory/err")" -eq 1 ] ||
  fail "one warning expected: $(cat "$directory/err")"
"$skysock" --read-trace "$trace" >"$directory/text"
[ "$(wc -l <"$directory/text")" -ge 5 ] || fail "steps before the disk was full are missing"
