#!/usr/bin/env bash
# Do clients of the chat example hear each other: ours, and one that nobody here wrote (socat)?
# Usage: chat.sh SKYSOCK chat/main.lua chat/client.lua
set -euo pipefail
# shellcheck source=lua/test/example_server.sh
. "$(dirname "$0")/example_server.sh"

skysock=$1
start_server "$skysock" "$2"
port=${address##*:}

# What one client asks is answered in its order.
expect 'what one hears' "$(printf 'welcome ME\nhere: ME\nME: hi\nbye')" \
  "$(printf '/who\nhi\n/quit\n' | "$skysock" "$3" 127.0.0.1 "$port" | sed 's/127.0.0.1:[0-9]*/ME/')"

# Ours: what is written to descriptor 4 is said.
mkfifo "$directory/lines"
"$skysock" "$3" 127.0.0.1 "$port" <"$directory/lines" >"$directory/ours" &
ours=$!
exec 4>"$directory/lines"
await grep -q '^welcome 127.0.0.1:' "$directory/ours"

# The other one: frames by hand.
mkfifo "$directory/frames"
socat -t 10 - "TCP:$address" <"$directory/frames" >"$directory/others" &
others=$!
exec 5>"$directory/frames"
await grep -aq 'welcome 127.0.0.1:' "$directory/others"

echo 'hello from us' >&4
await grep -aq ': hello from us' "$directory/others"
await grep -q ': hello from us' "$directory/ours"
printf '\0\016hello from you' >&5
await grep -q ': hello from you' "$directory/ours"
printf '\0\4/w' >&5
sleep 0.1
printf 'ho' >&5
await grep -aqE 'here: 127.0.0.1:[0-9]+ 127.0.0.1:[0-9]+' "$directory/others"

exec 5>&- # The peer ends: its agent goes, and the room forgets it.
wait "$others"
one_is_here() {
  echo /who >&4
  sleep 0.1
  tail -n 1 "$directory/ours" | grep -qE '^here: 127.0.0.1:[0-9]+$'
}
await one_is_here
exec 4>&-
wait "$ours" || fail 'our client failed'
expect 'the last words' bye "$(tail -n 1 "$directory/ours")"

stop_server
