#!/usr/bin/env bash
# Does the HTTP example answer a client that nobody here wrote (curl): methods, kept connections, bodies, errors?
# Usage: http.sh SKYSOCK http.lua
set -euo pipefail
# shellcheck source=lua/test/example_server.sh
. "$(dirname "$0")/example_server.sh"

start_server "$1" "$2"
url="http://$address"
curl() { command curl --silent --show-error --max-time 20 "$@"; }
status() { curl --output /dev/null --write-out '%{http_code}' "$@"; }
# What the server says to raw bytes: its first line.
raw() { printf '%b' "$1" | socat -t 5 - "TCP:$address" | head -n 1 | tr -d '\r'; }

expect 'GET /' hello "$(curl "$url/")"
expect 'GET /?query' hello "$(curl "$url/?a=b")"
expect 'HEAD /' $'200 6' "$(curl --head --output /dev/null --write-out '%{http_code} %header{content-length}' "$url/")"
expect 'a kept connection' $'1\n0\n0' \
  "$(curl --output /dev/null --output /dev/null --output /dev/null --write-out '%{num_connects}\n' "$url/" "$url/" "$url/")"
expect 'a connection that is not kept' $'1\n1' \
  "$(curl --header 'Connection: close' -o /dev/null -o /dev/null --write-out '%{num_connects}\n' "$url/" "$url/")"
expect 'HTTP/1.0 is not kept' $'1\n1' \
  "$(curl --http1.0 -o /dev/null -o /dev/null --write-out '%{num_connects}\n' "$url/" "$url/")"

for size in 0 1 65536 1048576; do
  head -c "$size" /dev/urandom >"$directory/sent"
  curl --data-binary "@$directory/sent" "$url/echo" >"$directory/received"
  cmp "$directory/sent" "$directory/received"
done
curl --header 'Expect: 100-continue' --data-binary "@$directory/sent" "$url/echo" | cmp "$directory/sent" -

expect 'an unknown path' 404 "$(status "$url/nothing")"
expect 'a wrong method' 405 "$(status --request PUT "$url/")"
expect 'the wrong method of echo' 405 "$(status "$url/echo")"
head -c 1048577 /dev/zero >"$directory/large"
expect 'a body above the limit' 413 "$(status --data-binary "@$directory/large" "$url/echo")"
expect 'a chunked body' 501 "$(status --header 'Transfer-Encoding: chunked' --data-binary x "$url/echo")"
expect 'no HTTP' 'HTTP/1.1 400 Bad Request' "$(raw 'hello\r\n\r\n')"
expect 'no colon in a header' 'HTTP/1.1 400 Bad Request' "$(raw 'GET / HTTP/1.1\r\nnothing\r\n\r\n')"
expect 'a negative length' 'HTTP/1.1 400 Bad Request' "$(raw 'POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n')"
expect 'two lengths' 'HTTP/1.1 400 Bad Request' \
  "$(raw 'POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx')"
expect 'a line above the limit' 'HTTP/1.1 400 Bad Request' "$(raw "GET /$(head -c 9000 /dev/zero | tr '\0' x) HTTP/1.1\r\n")"
expect 'pipelined requests' 2 \
  "$(printf 'GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n' | socat -t 5 - "TCP:$address" | grep -c '^hello')"

expect 'HEAD has no body' 1 \
  "$(printf 'HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n' | socat -t 5 - "TCP:$address" | grep -c '^hello')"
expect 'the end of a connection is announced' close \
  "$(curl --header 'Connection: close' --output /dev/null --write-out '%header{connection}' "$url/")"
expect 'a client that asks first' 'HTTP/1.1 100 Continue' \
  "$(raw 'POST /echo HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx')"

stop_server
