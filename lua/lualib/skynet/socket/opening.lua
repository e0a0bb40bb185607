--- Opening, accepting and taking over streams and listeners.
-- @module skynet.socket.opening

local core = require "skynet.core"
local driver = require "skynet.socketdriver"
local scheduler = require "skynet.scheduler"
local options = require "skynet.socket.options"
local sockets = require "skynet.socket.entries"

local entries, onclose, leaving = sockets.entries, sockets.onclose, sockets.leaving
local new_entry = sockets.new_entry

local opening = {}

--- Why the last socket was not made: a program for skynet, whose listen() raises, hands our nil on.
local last_failure

local function failed(what, host, port, reason)
  last_failure = ("cannot %s %s%s: %s"):format(what, host, port and ":" .. port or "", reason)
  return nil, reason
end

--- What the server answered for `s`: id or nil, reason.
local function opened(s)
  local id = s.id
  if s.connected then
    return id
  end
  if entries[id] == s then
    entries[id] = nil
    onclose[id] = nil
  end
  return nil, s.reason or "socket closed"
end

--- Suspends until then.
local function await_open(s)
  entries[s.id] = s
  sockets.suspend(s)
  return opened(s)
end

-- Closes what nobody has heard of: the coroutine that opened it was killed.
local unheard = {
  __close = function(guard)
    local s = guard.stream
    if s then
      entries[s.id] = nil
      driver.close(s.id)
    end
  end,
}

--- The same for a new socket, whose id only the running coroutine will know.
local function await_new(s)
  local guard <close> = setmetatable({ stream = s }, unheard)
  local id, reason = await_open(s)
  guard.stream = nil
  return id, reason
end

--- Connects.
-- @tparam string host name or address, or "host:port" ("[::1]:80" for IPv6)
-- @tparam[opt] integer port 1 to 65535
-- @tparam[opt] table wanted options, see lua/README.md
-- @treturn integer|nil id
-- @treturn string reason, if nil
-- @raises for a malformed address or a wrong option
function opening.open(host, port, wanted)
  if type(port) == "table" then
    port, wanted = nil, port
  end
  options.check(wanted)
  scheduler.check()
  local id, reason = driver.connect(host, port)
  if not id then
    return failed("connect to", host, port, reason)
  end
  options.set(id, wanted)
  local ok, why = await_new(new_entry(id))
  if not ok then
    return failed("connect to", host, port, why)
  end
  return ok
end

--- Reads and writes a descriptor of this process, which is never closed.
-- @tparam integer fd
-- @treturn integer|nil id
-- @treturn string reason, if nil
function opening.bind(fd)
  scheduler.check()
  local id, reason = driver.bind(fd)
  if not id then
    return nil, reason
  end
  return await_new(new_entry(id))
end

--- Reads standard input; its end is the end of the connection.
-- @treturn integer|nil id
-- @treturn string reason, if nil
function opening.stdin()
  return opening.bind(0)
end

--- Binds and listens; connections are accepted after start().
-- @tparam string host or "host:port"
-- @tparam[opt] integer port 0: any free one
-- @tparam[opt] integer backlog default: that of the tuning
-- @tparam[opt] table wanted options of the connections that will be accepted
-- @treturn integer|nil id
-- @treturn string bound address, or reason if nil
-- @treturn integer bound port
-- @raises for a malformed address or a wrong option
function opening.listen(host, port, backlog, wanted)
  if type(port) == "table" then
    port, wanted = nil, port
  elseif type(backlog) == "table" then
    backlog, wanted = nil, backlog
  end
  options.check(wanted)
  scheduler.check()
  local id, reason = driver.listen(host, port, backlog)
  if not id then
    return failed("listen on", host, port, reason)
  end
  local s = new_entry(id, true)
  s.listening, s.options = true, wanted
  local ok, why = await_new(s)
  if not ok then
    return failed("listen on", host, port, why)
  end
  return id, s.address, s.port
end

--- Whether a listener's entry is there, to be replaced; raises for every other one that is.
local function check_startable(id, s, callback)
  if s and s.buffer == nil and s.protocol == nil then
    if type(callback) ~= "function" then
      core.raise("callback expected: socket " .. id .. " is a listener")
    end
  elseif s then
    core.raise("socket " .. id .. " is not closed")
  elseif onclose[id] then
    core.raise("socket " .. id .. " has an onclose callback already")
  end
end

local function start(id, callback, wanted)
  if id == nil then
    core.raise("bad argument #1 to 'start' (id expected, got nil" .. (last_failure and "; " .. last_failure or "") .. ")")
  end
  if type(callback) == "table" then
    callback, wanted = nil, callback
  end
  options.check(wanted)
  scheduler.check()
  local before = entries[id]
  if before and before.closing then
    return nil, "socket closed" -- Its entry belongs to the coroutine that closes it.
  end
  check_startable(id, before, callback)
  local ok, reason = driver.start(id)
  if not ok then
    entries[id] = nil
    return nil, reason
  end
  local s = new_entry(id, callback)
  if callback == nil then
    options.set(id, wanted)
    if leaving[id] then
      s.special = true
      s.buffer = leaving[id] -- What still comes for the old entry goes there.
    end
  else
    s.options = wanted or before and before.options
    s.special = s.options ~= nil
  end
  return await_open(s)
end

--- The end of a start() that waited in C.
local function start_after(s)
  sockets.end_wait(s)
  return opened(s)
end

--- Lets a listener accept, or takes over an accepted or abandoned connection.
-- @tparam integer id
-- @tparam[opt] function callback for a listener: callback(id, address) runs in a coroutine for
-- every connection; if it raises, that connection is closed.
-- @tparam[opt] table wanted options; of a listener: those of the connections it will accept
-- @treturn integer|nil id
-- @treturn string reason, if nil
-- @raises if the id is already started here or has an onclose callback; for a wrong option
opening.start = driver.start_call(start, start_after)

--- Sets `f(id, kib)` to run in a coroutine when much output waits to be sent (at 1 MiB and at each
-- doubling), and with 0 when all is sent. nil: a line is logged instead.
-- @raises if `f` is anything else; for an id that is not open here
function opening.warning(id, f)
  sockets.check_callback(f)
  local s = entries[id] or core.raise("socket " .. tostring(id) .. " is not open here")
  s.on_warning = f
end

return opening
