--- Sockets for coroutines: calls that would block suspend the calling coroutine only.
--
-- What the network did is returned (nil or false, reason); what the caller did wrong raises. This
-- is the one public module; the functions and what they promise are in skynet/socket/*.lua.
-- @module skynet.socket

local driver = require "skynet.socketdriver"
local opening = require "skynet.socket.opening"
local reading = require "skynet.socket.reading"
local closing = require "skynet.socket.closing"
local datagrams = require "skynet.socket.datagrams"
local lookup = require "skynet.socket.lookup"
require "skynet.socket.messages"

local socket = {}

socket.open = opening.open
socket.bind = opening.bind
socket.stdin = opening.stdin
socket.listen = opening.listen
socket.start = opening.start
socket.warning = opening.warning

socket.read = reading.read
socket.readline = reading.readline
socket.readall = reading.readall
socket.block = reading.block
socket.pause = reading.pause
socket.limit = reading.limit

--- Sends `data`: string, number, table of them, or userdata (lua/README.md).
-- @treturn boolean
-- @treturn string reason, if false: "limit" when too much waits already
socket.write = driver.send
--- The same, for when nothing of write() waits.
socket.lwrite = driver.lsend
--- @tparam string bytes 1 to 4
-- @treturn integer the big-endian number they are
socket.header = driver.header

socket.close = closing.close
socket.close_fd = closing.close_fd
socket.shutdown = closing.shutdown
socket.abandon = closing.abandon
socket.onclose = closing.onclose
socket.invalid = closing.invalid
socket.disconnected = closing.disconnected

socket.udp = datagrams.udp
socket.udp_listen = datagrams.udp_listen
socket.udp_dial = datagrams.udp_dial
socket.udp_connect = datagrams.udp_connect
socket.sendto = datagrams.sendto
socket.udp_address = datagrams.udp_address

--- @treturn table list of all sockets of the node, in every state
socket.netstat = driver.info
socket.resolve = lookup.resolve

return socket
