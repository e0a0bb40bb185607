--- Datagram sockets. They are usable at once: nothing here suspends.
-- @module skynet.socket.datagrams

local core = require "skynet.core"
local driver = require "skynet.socketdriver"
local sockets = require "skynet.socket.entries"

local entries = sockets.entries

local datagrams = {}

local function add(id, callback)
  local s = sockets.new_entry(id, callback or false)
  s.protocol = "UDP"
  s.opening, s.connected = false, true
  entries[id] = s
  return id
end

--- Opens a datagram socket.
-- @tparam function callback callback(data, address) runs in a coroutine for every datagram
-- @tparam[opt] string host address to bind, or "host:port"; nil: IPv4, bound by its first send
-- @tparam[opt] integer port 0: any free one
-- @treturn integer id
-- @raises for what cannot be bound, and a callback that is no function
function datagrams.udp(callback, host, port)
  sockets.check_callback(callback)
  return add(driver.udp(host, port), callback)
end

--- The same, with an address.
function datagrams.udp_listen(host, port, callback)
  sockets.check_callback(callback)
  return add(driver.udp_listen(host, port), callback)
end

--- Opens a datagram socket whose write() sends to `host` and `port`.
-- @treturn integer id
-- @raises if the name has no address
function datagrams.udp_dial(host, port, callback)
  sockets.check_callback(callback)
  return add(driver.udp_dial(host, port), callback)
end

--- Lets write() send to `host` and `port`; what comes from others still reaches the callback.
-- @tparam integer id of a datagram socket, of this service or of another
-- @tparam[opt] function callback replaces the one before
-- @raises if the name has no address of the socket's family, or the id is no datagram socket
function datagrams.udp_connect(id, host, port, callback)
  sockets.check_callback(callback)
  local s = entries[id]
  if s and s.protocol ~= "UDP" then
    core.raise("socket " .. id .. " is not a datagram socket")
  end
  driver.udp_connect(id, host, port)
  if s == nil then
    add(id, callback)
  elseif callback then
    s.callback = callback
  end
end

--- Sends `data` to `address`, as a callback got it.
-- @treturn boolean
-- @treturn string reason, if false
datagrams.sendto = driver.udp_send

--- @tparam string address as a callback got it
-- @treturn string host
-- @treturn integer port
datagrams.udp_address = driver.udp_address

return datagrams
