#!/usr/bin/env bash
# Does the chat example stay whole and clean with random clients for a while? At the end nobody is left in the room, and
# under ASan nothing has leaked. Usage: chat_soak.sh SKYSOCK chat/main.lua SECONDS [SEED]
set -euo pipefail
# shellcheck source=lua/test/example_server.sh
. "$(dirname "$0")/example_server.sh"

skysock=$1
seconds=$3
seed=${4:-$RANDOM}
echo "seed $seed"
server_options+=(--stats 0)
start_server "$skysock" "$2" 2> >(tee "$directory/log" >&2)
"$skysock" "$(dirname "$0")/chat_clients.lua" "${address##*:}" "$seconds" "$seed" | tee "$directory/clients"
grep -qE '^heard [0-9]{3,} lines, all whole$' "$directory/clients" || fail 'too little was heard'

# The last one sees only itself.
alone() {
  printf '\0\4/who\0\5/quit' | socat -t 5 - "TCP:$address" | tr '\0' '\n' | grep -aqE 'here: 127.0.0.1:[0-9]+.?$'
}
await alone
sleep 2 # The server lingers for a second on what it closed.
stop_server
# Launcher, watchdog, room and gate with its listener: no agent, no client.
await grep -q ' services=4 ' "$directory/log"
if grep -q 'stack traceback' "$directory/log"; then fail 'something raised'; fi
grep -q ' slots_used=1 ' "$directory/log" || fail 'sockets are left'
