--- What the server says of sockets, and who is told.
--
-- DATA and CLOSE are handled without a coroutine. Callbacks may wait: each runs in one of its own.
-- @module skynet.socket.messages

local skynet = require "skynet"
local core = require "skynet.core"
local scheduler = require "skynet.scheduler"
local driver = require "skynet.socketdriver"
local closing = require "skynet.socket.closing"
local options = require "skynet.socket.options"
local sockets = require "skynet.socket.entries"

local entries, onclose = sockets.entries, sockets.onclose
local leaving, resumes = sockets.leaving, sockets.resumes
local wake, hold = sockets.wake, sockets.hold
local push, has_line = driver.push, driver.readline
local math_type = math.type
local running, yield = coroutine.running, coroutine.yield
local traceback, getinfo, getlocal = debug.traceback, debug.getinfo, debug.getlocal
local HOLD_BYTES = sockets.HOLD_BYTES
local ACCEPTORS_MAX = 1024 -- Kept, so that a burst does not hold memory for ever.
local FORGET_AFTER = 6000 -- 1/100 s: by then the server has carried out every command.

-- What the server says instead of CONNECT when a start cannot be; other errors are the network's.
local START_REFUSED = {
  ["invalid socket"] = true,
  ["socket closed"] = true,
  ["socket is being handed over"] = true,
}

local idle_acceptors = {} -- Coroutines that wait for the next connection.
local handlers = {}

local function log(id, text)
  skynet.error("socket " .. id .. ": " .. text)
end

--- Data of a stream that has no entry here.
local function keep_or_drop(id, payload)
  local buffer = leaving[id]
  if buffer then
    push(buffer, nil, payload)
  else
    driver.drop(payload)
    log(id, "data for nobody dropped")
  end
end

local function overflow(s, size)
  log(s.id, "closed: " .. size .. " bytes wait unread, more than its limit")
  s.buffer_limit = nil
  driver.close(s.id)
end

--- A call waits in C, and more is there than it alone decides about.
local function serve_call(s, size)
  if s.buffer_limit and size > s.buffer_limit and s.waits_for_line then
    return overflow(s, size)
  end
  local surplus = driver.surplus(s)
  if surplus then
    if surplus > HOLD_BYTES and not s.held then
      hold(s)
    end
    wake(s)
  end
end

-- DATA: whoever gets what it waits for wakes. Reading goes on, however much is there, as long as
-- somebody waits for more; without a reader it stops.
handlers[1] = function(id, _, payload)
  local s = entries[id]
  if s == nil or s.buffer == nil then
    return keep_or_drop(id, payload)
  end
  local size = push(s.buffer, nil, payload)
  if s.waiting then
    return serve_call(s, size)
  end
  local required, surplus = s.required, size
  if math_type(required) then
    surplus = size - required
    if surplus < 0 then
      return
    end
  elseif s.buffer_limit and size > s.buffer_limit then
    return overflow(s, size)
  elseif required == true then
    return
  elseif required and not has_line(s.buffer, nil, required, s.line_limit) then
    return
  end
  if surplus > HOLD_BYTES and not s.held then
    hold(s)
  end
  if required then
    s.required = nil
    wake(s)
  end
end

--- The server has told us everything it read: the rest is the next owner's.
local function give_back(id)
  local buffer = leaving[id]
  if buffer then
    leaving[id] = nil
    driver.give_back(id, buffer)
  end
end

--- Whether this answer is that of a resume. Its entry may be another one by now.
local function answers_resume(id)
  local due = resumes[id]
  if due == nil then
    return false
  end
  resumes[id] = due > 1 and due - 1 or nil
  local s = entries[id]
  if s and s.held == "resuming" then
    s.held = false
  end
  return true
end

-- CONNECT: the answer to open, listen, start and resume, or the end of a hand-over.
handlers[2] = function(id, ud, text)
  if text == "handover" then
    return give_back(id)
  elseif answers_resume(id) then
    return
  end
  local s = entries[id]
  if s and s.opening then
    s.opening = false
    s.connected = true
    if s.listening then
      s.address, s.port = text, ud
    end
    wake(s)
  end
end

--- The peer finished just before the socket was given up. The next owner is told, too, unless the
-- socket is gone: then there is nothing to give back to.
local function forget_later(id)
  local buffer = leaving[id]
  skynet.timeout(FORGET_AFTER, function()
    if leaving[id] == buffer then
      leaving[id] = nil
    end
  end)
end

-- CLOSE
handlers[3] = function(id, ud)
  local s = entries[id]
  if leaving[id] then
    forget_later(id)
  elseif s then
    s.opening = false
    s.connected = false
    wake(s)
  elseif ud == 0 then
    driver.close(id) -- The peer finished; without this the socket would stay for ever.
  end
  local f = onclose[id]
  if f then
    onclose[id] = nil
    scheduler.run(f, id) -- Before the reader, which was only woken.
  end
end

local function discard(id)
  local s = entries[id]
  if s == nil then
    driver.close(id)
  elseif not s.closing then
    closing.close(id)
  end
end

local function run_accept(callback, id, address)
  local ok, err = xpcall(callback, traceback, id, address)
  if not ok then
    skynet.error(err)
    discard(id)
  end
end

--- What the coroutine of an accepted connection runs, if its listener has no options, and that of a
-- datagram, which is in the place of `id`. As flat as can be: a connection that waits for data in its
-- callback is to fit into the smallest stack.
local function accept(callback, id, address)
  while #idle_acceptors < ACCEPTORS_MAX do
    callback(id, address)
    idle_acceptors[#idle_acceptors + 1] = running()
    callback, id, address = yield "EXIT"
  end
  callback(id, address)
  return "EXIT"
end

core.acceptors(accept, idle_acceptors)

--- A callback that raised has forgotten its connection.
function scheduler.on_fail(co)
  local level = 0
  repeat
    local info = getinfo(co, level, "f")
    if info and info.func == accept then
      local _, id = getlocal(co, level, 2)
      return math_type(id) and skynet.fork(discard, id)
    end
    level = level + 1
  until info == nil
end

-- ACCEPT
handlers[4] = function(id, new_id, address)
  local s = entries[id]
  if s == nil or type(s.callback) ~= "function" then
    driver.close(new_id)
  else
    options.set(new_id, s.options)
    skynet.fork(run_accept, s.callback, new_id, address)
  end
end

-- ERROR: ends an opening; otherwise the server lets one CLOSE follow. As long as a stream is leaving,
-- what the network did is not the answer to the start of its next entry.
handlers[5] = function(id, _, text)
  local refused = START_REFUSED[text]
  if refused and answers_resume(id) then
    return
  end
  local s = entries[id]
  if s and s.opening and (refused or not leaving[id]) then
    leaving[id] = nil
    s.opening = false
    s.reason = text
    driver.shutdown(id)
    wake(s)
    return
  elseif s == nil and not leaving[id] then
    driver.shutdown(id)
  end
  log(id, "error: " .. text)
end

-- UDP
handlers[6] = function(id, _, payload, address)
  local s = entries[id]
  if s and s.callback then
    skynet.fork(s.callback, driver.text(payload), address)
  else
    driver.drop(payload)
    log(id, "datagram for nobody dropped")
  end
end

-- WARNING: unsent output in KiB; 0 when all is sent.
handlers[7] = function(id, kib)
  local s = entries[id]
  if s == nil then
    return
  elseif s.on_warning then
    skynet.fork(s.on_warning, id, kib)
  elseif kib > 0 then
    log(id, "warning: " .. kib .. " KiB wait to be sent")
  end
end

skynet.register_protocol {
  name = "socket",
  id = skynet.PTYPE_SOCKET,
  inline = true, -- Callbacks get coroutines of their own.
  unpack = driver.unpack,
  dispatch = function(_, _, kind, id, ud, data, address)
    local handler = handlers[kind]
    if handler then
      handler(id, ud, data, address)
    end
  end,
}
