--- Sockets for coroutines: calls that would block suspend the calling coroutine only.
--
-- Every socket that this service opened or started has an entry in `entries`. At most one coroutine
-- waits on an entry; the entry itself is the token it sleeps on. What the network did is returned
-- (nil or false, reason); what the caller did wrong raises.
-- @module skynet.socket

local skynet = require "skynet"
local driver = require "skynet.socketdriver"

local socket = {}

local LINE_BYTES_MAX = 16 * 1024 * 1024 -- A peer must not fill our memory with a line without end.

local entries = {} -- id -> entry
local onclose = {} -- id -> function; outlives the entry, because CLOSE may come after it.

-- Closes what is open when the VM ends.
setmetatable(entries, {
  __gc = function(open)
    for id in pairs(open) do
      driver.close(id)
    end
  end,
})

--- An entry. `required` says what the suspended coroutine waits for: number of bytes (0: any),
-- separator of a line (of at most `limit` bytes), true (end of stream) or nil (nothing that data can
-- give). `reason` says why opening failed.
local function new_entry(id, callback)
  return {
    id = id,
    callback = callback, -- of a listener
    buffer = callback == nil and driver.buffer() or nil,
    connected = false,
    opening = true,
    suspended = false, -- a coroutine sleeps on the entry
    awaiting = false, -- a reader sleeps, or was woken and has not run yet
    closing = false,
  }
end

local function wake(s)
  if s.suspended then
    s.suspended = false
    skynet.wakeup(s)
  end
end

local function suspend(s)
  assert(not s.suspended)
  s.suspended = true
  skynet.wait(s)
  if s.closer then
    skynet.wakeup(s.closer)
  end
end

local function readable(id)
  local s = entries[id]
  if s == nil or s.buffer == nil then
    error("socket " .. tostring(id) .. (s and " is a listener" or " is not open here"), 3)
  end
  return s
end

--- Messages ---------------------------------------------------------------------------------------

local handlers = {}

local function satisfied(s, size)
  local required = s.required
  if required == nil or required == true then
    return false
  elseif type(required) == "number" then
    return size >= required
  end
  return driver.readline(s.buffer, required, s.limit, true)
end

-- DATA
handlers[1] = function(id, _, payload)
  local s = entries[id]
  if s == nil or s.buffer == nil then
    driver.drop(payload)
    skynet.error("socket " .. id .. ": data for nobody dropped")
    return
  end
  if satisfied(s, driver.push(s.buffer, payload)) then
    s.required = nil
    wake(s)
  end
end

-- CONNECT: the answer to open, listen and start.
handlers[2] = function(id, ud, address)
  local s = entries[id]
  if s == nil or not s.opening then
    return
  end
  s.opening = false
  s.connected = true
  if s.listening then
    s.address, s.port = address, ud
  end
  wake(s)
end

-- CLOSE
handlers[3] = function(id, ud)
  local s = entries[id]
  if s then
    s.opening = false
    s.connected = false
    wake(s)
  elseif ud == 0 then
    driver.close(id) -- The peer finished; without this the socket would stay for ever.
  end
  local f = onclose[id]
  if f then
    onclose[id] = nil
    skynet.fork(f, id)
  end
end

local function discard(id)
  local s = entries[id]
  if s == nil then
    driver.close(id)
  elseif not s.closing then
    socket.close(id)
  end
end

local function run_accept(callback, id, address)
  local ok, err = xpcall(callback, debug.traceback, id, address)
  if not ok then
    skynet.error(err)
    discard(id)
  end
end

-- ACCEPT
handlers[4] = function(id, new_id, address)
  local s = entries[id]
  if s == nil or type(s.callback) ~= "function" then
    driver.close(new_id)
  else
    skynet.fork(run_accept, s.callback, new_id, address)
  end
end

-- ERROR: ends an opening; otherwise the server lets one CLOSE follow.
handlers[5] = function(id, _, text)
  local s = entries[id]
  if s == nil then
    driver.shutdown(id)
    skynet.error("socket " .. id .. ": error: " .. text)
  elseif s.opening then
    s.opening = false
    s.reason = text
    driver.shutdown(id)
    wake(s)
  else
    skynet.error("socket " .. id .. ": error: " .. text)
  end
end

skynet.register_protocol {
  name = "socket",
  id = skynet.PTYPE_SOCKET,
  inline = true, -- Callbacks get coroutines of their own.
  unpack = driver.unpack,
  dispatch = function(_, _, kind, id, ud, data)
    local handler = handlers[kind]
    if handler then
      handler(id, ud, data)
    end
  end,
}

--- Opening ----------------------------------------------------------------------------------------

--- Suspends until the server answered for `s`. Returns id or nil, reason.
local function await_open(s)
  local id = s.id
  entries[id] = s
  suspend(s)
  if s.connected then
    return id
  end
  if entries[id] == s then
    entries[id] = nil
    onclose[id] = nil
  end
  return nil, s.reason or "socket closed"
end

--- Connects.
-- @tparam string host name or address, or "host:port" ("[::1]:80" for IPv6)
-- @tparam[opt] integer port 1 to 65535
-- @treturn integer|nil id
-- @treturn string reason, if nil
-- @raises for a malformed address
function socket.open(host, port)
  local id, reason = driver.connect(host, port)
  if not id then
    return nil, reason
  end
  return await_open(new_entry(id))
end

--- Binds and listens; connections are accepted after start().
-- @tparam string host or "host:port"
-- @tparam[opt] integer port 0: any free one
-- @tparam[opt] integer backlog default: that of the tuning
-- @treturn integer|nil id
-- @treturn string bound address, or reason if nil
-- @treturn integer bound port
-- @raises for a malformed address
function socket.listen(host, port, backlog)
  local id, reason = driver.listen(host, port, backlog)
  if not id then
    return nil, reason
  end
  local s = new_entry(id, true)
  s.listening = true
  local ok, why = await_open(s)
  if not ok then
    return nil, why
  end
  return id, s.address, s.port
end

--- Lets a listener accept, or takes over an accepted connection.
-- @tparam integer id
-- @tparam[opt] function callback for a listener: callback(id, address) runs in a coroutine for every
-- connection; if it raises, that connection is closed.
-- @treturn integer|nil id
-- @treturn string reason, if nil
-- @raises if the id is already started here
function socket.start(id, callback)
  local s = entries[id]
  if s and s.closing then
    return nil, "socket closed" -- Its entry belongs to the coroutine that closes it.
  elseif s and not s.listening then
    error("socket " .. id .. " is not closed", 2)
  elseif s and type(callback) ~= "function" then
    error("callback expected: socket " .. id .. " is a listener", 2)
  end
  local ok, reason = driver.start(id)
  if not ok then
    entries[id] = nil
    return nil, reason
  end
  return await_open(new_entry(id, callback))
end

--- Reading ----------------------------------------------------------------------------------------

--- Suspends until `required` is there or the connection ends. Returns at once, with false, when
-- nothing more can come: a closing socket must not put a reader to sleep again.
local function await(s, required, limit)
  if s.closing or not (s.connected or s.opening) then
    return false
  elseif s.suspended then
    error("another coroutine waits on socket " .. s.id, 3)
  end
  s.required, s.limit = required, limit
  s.awaiting = true
  suspend(s)
  s.awaiting = false
  s.required = nil
  return true
end

--- Reads `n` bytes, or what there is.
-- @tparam integer id
-- @tparam[opt] integer n nil: at least one byte
-- @treturn string|false data; false when the connection ended before
-- @treturn string the rest, if false
-- @raises for a negative n, an id that is not open here, a second waiting coroutine
function socket.read(id, n)
  local s = readable(id)
  if n == nil then
    local data = driver.readall(s.buffer)
    if data == "" and await(s, 0) then
      data = driver.readall(s.buffer)
    end
    if data == "" then
      return false, ""
    end
    return data
  end
  local data = driver.pop(s.buffer, n)
  if data == nil and await(s, n) then
    data = driver.pop(s.buffer, n)
  end
  if data == nil then
    return false, driver.readall(s.buffer)
  end
  return data
end

--- Reads until the connection ends.
-- @treturn string|false all bytes; false if it had ended before and nothing was left
function socket.readall(id)
  local s = readable(id)
  local waited = await(s, true)
  local data = driver.readall(s.buffer)
  if data == "" and not waited then
    return false
  end
  return data
end

--- Reads a line.
-- @tparam integer id
-- @tparam[opt="\n"] string separator
-- @tparam[opt=16777216] integer limit bytes of the longest line
-- @treturn string|false|nil line without separator; false: the connection ended before; nil: the
-- line is longer than `limit` (nothing is consumed)
-- @treturn string the rest if false, the reason if nil
function socket.readline(id, separator, limit)
  local s = readable(id)
  separator = separator or "\n"
  limit = limit or LINE_BYTES_MAX
  local line = driver.readline(s.buffer, separator, limit)
  if line == nil then
    if await(s, separator, limit) then
      line = driver.readline(s.buffer, separator, limit)
    end
  end
  if line == nil then
    return false, driver.readall(s.buffer)
  elseif line == false then
    return nil, "line too long"
  end
  return line
end

--- Suspends until there is something to read or the connection ends.
-- @treturn boolean whether it is still connected
function socket.block(id)
  local s = entries[id]
  if s == nil or s.buffer == nil or not s.connected then
    return false
  end
  if driver.size(s.buffer) == 0 then
    await(s, 0)
  end
  return s.connected
end

--- Writing and closing ----------------------------------------------------------------------------

--- Sends `data` (string, number or table of them).
-- @treturn boolean false if the id takes no data (unknown, closing)
socket.write = driver.send

--- Sends when no data of write() waits.
socket.lwrite = driver.lsend

--- Suspends until the server said CLOSE; a coroutine that waits for data goes first.
local function await_close(s)
  if s.suspended then
    s.closer = {}
    skynet.wait(s.closer)
    s.closer = nil
  end
  while s.connected do
    suspend(s)
  end
end

--- Closes after sending what is queued. Suspends until that is done. A coroutine that waits on the
-- socket is woken first and may still read what is buffered. An unknown id is ignored.
-- @raises if another coroutine is closing it
function socket.close(id)
  local s = entries[id]
  if s == nil then
    return
  elseif s.closing then
    error("socket " .. id .. " is being closed by another coroutine", 2)
  end
  s.closing = true
  local answer = s.connected
  if driver.close(id, answer) and answer then
    await_close(s)
  end
  s.connected, s.opening = false, false
  wake(s)
  if s.buffer and not s.awaiting then
    driver.clear(s.buffer)
  end
  if entries[id] == s then
    entries[id] = nil
  end
end

--- Ends the connection without sending what is queued; readers wake. close() is still needed.
function socket.shutdown(id)
  local s = entries[id]
  if s then
    driver.shutdown(id, s.connected)
  end
end

--- Sets `f(id)` to run once, in a coroutine, when the connection has ended for whatever reason.
function socket.onclose(id, f)
  onclose[id] = f
end

--- @treturn boolean whether the id is unknown here
function socket.invalid(id)
  return entries[id] == nil
end

--- @treturn boolean whether the id is known here and its connection has ended
function socket.disconnected(id)
  local s = entries[id]
  return s ~= nil and not s.connected and not s.opening
end

return socket
