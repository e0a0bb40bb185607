--- The sockets of this service, and who waits on them: what the modules of skynet.socket share.
--
-- Every socket that this service opened or started has an entry. At most one coroutine waits on an
-- entry; the entry itself is the token it sleeps on.
-- @module skynet.socket.entries

local skynet = require "skynet"
local core = require "skynet.core"
local scheduler = require "skynet.scheduler"
local driver = require "skynet.socketdriver"

local sockets = {
  entries = driver.entries(), -- id -> entry
  onclose = {}, -- id -> function; outlives the entry, because CLOSE may come after it.
  leaving = {}, -- id -> buffer of a stream that was abandoned and is not handed over yet.
  resumes = {}, -- id -> how many of our resumes the server has not answered; nil: none.
  HOLD_BYTES = 128 * 1024, -- Reading stops while more waits and nobody wants so much.
}

local entries, resumes = sockets.entries, sockets.resumes

-- What is open when the VM ends is closed: the entries see to that. What is on its way to another
-- service, too: that one would miss bytes and not know it.
setmetatable(sockets.leaving, {
  __gc = function(leaving)
    for id in pairs(leaving) do
      driver.shutdown(id)
    end
  end,
})

--- A new entry, whose socket is being opened. `callback` is that of a listener or a datagram
-- socket; without one it is a stream. What an entry says, beside this:
--
-- `required`: what the suspended coroutine waits for: number of bytes (0: any), separator of a line
-- (of at most `line_limit` bytes), true (end of stream) or nil (nothing that data can give).
-- `held`: true when the server was told to read nothing, "resuming" until it has answered the
-- opposite. `reason`: why opening failed. `buffer_limit`, `on_warning`: set by limit(), warning().
function sockets.new_entry(id, callback)
  local s = driver.stream(id)
  s.opening = true
  if callback ~= nil then
    s.callback = callback
    s.has_stream = false
  end
  return s
end

function sockets.wake(s)
  local co = driver.waiter(s)
  if co then
    scheduler.ready(co)
  elseif s.suspended then
    s.suspended = false
    skynet.wakeup(s)
  end
end

--- Who waited goes on: who waits to close does, too.
function sockets.end_wait(s)
  if s.closer then
    skynet.wakeup(s.closer)
  end
end

--- Its waiter was killed: the next may wait, and who waits to close goes on. If the killed one was
-- closing it, nobody else will.
local function forget_waiter(s)
  s.suspended, s.awaiting, s.required = false, false, nil
  if s.closer then
    skynet.wakeup(s.closer)
  elseif s.closing then
    s.connected = false
    if s.buffer then
      driver.clear(s.buffer)
    end
    entries[s.id] = nil
  end
end

function scheduler.elsewhere(visit)
  for _, s in pairs(entries) do
    local co = driver.waiting(s)
    if co and visit(co) then
      driver.waiter(s)
      return co, s
    end
  end
end

function scheduler.on_kill(token)
  for _, s in pairs(entries) do
    if rawequal(s, token) then
      return forget_waiter(s)
    end
  end
end

--- Sleeps until wake(). Who waits for data of a held socket lets it read again: the answer, which
-- comes behind what was read before, ends `held`, so that this cannot hold it once more.
function sockets.suspend(s)
  assert(not s.suspended and not s.waiting)
  s.suspended = true
  if s.held == true and not s.closing then
    local id = s.id
    s.held = "resuming"
    resumes[id] = (resumes[id] or 0) + 1
    driver.start(id)
  end
  skynet.wait(s)
  sockets.end_wait(s)
end

--- Lets the server read nothing more until somebody waits for data again.
function sockets.hold(s)
  if not s.closing then
    s.held = true
    driver.pause(s.id)
  end
end

--- The entry of a stream; raises when `id` is none.
function sockets.stream(id)
  local s = entries[id]
  if s == nil then
    core.raise("socket " .. tostring(id) .. " is not open here")
  elseif s.buffer == nil then
    local kind = s.protocol == "UDP" and "datagram socket" or "listener"
    core.raise("socket " .. id .. " is a " .. kind .. ": it has no stream")
  end
  return s
end

--- Raises unless `f` is nil or can be called.
function sockets.check_callback(f)
  local meta = getmetatable(f)
  if not (f == nil or type(f) == "function" or type(meta) == "table" and meta.__call) then
    core.raise("function expected, got " .. type(f))
  end
end

return sockets
