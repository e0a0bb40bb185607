#!/usr/bin/env bash
# Does the Redis example answer as redis-server does, to clients that nobody here wrote (redis-cli, redis-benchmark)?
# Usage: redis.sh SKYSOCK redis.lua
set -euo pipefail
# shellcheck source=lua/test/example_server.sh
. "$(dirname "$0")/example_server.sh"

start_server "$1" "$2"
port=${address##*:}
redis-server --port 0 --unixsocket "$directory/socket" --save '' --dir "$directory" >"$directory/redis.log" &
processes+=($!)
await redis-cli -s "$directory/socket" ping >"$directory/ready" 2>&1

cat >"$directory/commands" <<'TEXT'
PING
PING "hello there"
ping
ECHO "two words"
GET missing
SET key "value with \r\n inside"
GET key
SET empty ""
GET empty
SET count 41
INCR count
INCR count
GET count
INCR fresh
SET text words
INCR text
SET large 9223372036854775807
INCR large
DEL key count missing
GET key
DEL key
PING a b
GET
SET only
TEXT
redis-cli -s "$directory/socket" <"$directory/commands" >"$directory/expected"
redis-cli -p "$port" <"$directory/commands" >"$directory/received"
[ "$(wc -l <"$directory/received")" -ge 24 ] || fail "too few replies"
diff "$directory/expected" "$directory/received"

# Lines, cut anywhere; several in one write; a value larger than a read.
inline() { socat -t 5 - "TCP:$address" | tr -d '\r' | tr '\n' ' '; }
expect 'inline commands' "+PONG +OK \$1 1 " "$(printf 'PING\r\nSET i 1\nGET i\n\n' | inline)"
expect 'an inline command in pieces' '+PONG ' "$( (printf PI; sleep 0.1; printf 'NG\r'; sleep 0.1; printf '\n') | inline)"
expect 'QUIT ends the connection' '+PONG +OK ' "$( (printf 'PING\nQUIT\n'; sleep 0.2; printf 'PING\n') | inline)"
expect 'a malformed array' '+PONG -ERR Protocol error: invalid multibulk length ' \
  "$( (printf 'PING\r\n*x\r\n'; sleep 0.2; printf 'PING\r\n') | inline)"
expect 'a malformed bulk' '-ERR Protocol error: invalid bulk length ' "$(printf '*1\r\n$-1\r\n' | inline)"
head -c 5000000 /dev/urandom | base64 -w 0 >"$directory/value"
expect 'a large value is taken' OK "$(redis-cli -p "$port" -x set big <"$directory/value")"
redis-cli -p "$port" get big | tr -d '\n' | cmp - "$directory/value"

redis-benchmark -p "$port" -t ping,set,get,incr -n 5000 -c 20 -P 16 --csv >"$directory/benchmark" 2>"$directory/errors"
expect 'tests of redis-benchmark' 5 "$(grep -c '^"[A-Z_]*","[0-9.]*",' "$directory/benchmark")"
if grep -i 'error' "$directory/benchmark" "$directory/errors"; then
  fail 'redis-benchmark saw errors'
fi

stop_server
