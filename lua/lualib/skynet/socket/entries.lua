--- The sockets of this service, and who waits on them: what the modules of skynet.socket share.
--
-- Every socket that this service opened or started has an entry. At most one coroutine waits on an
-- entry; the entry itself is the token it sleeps on.
-- @module skynet.socket.entries

local skynet = require "skynet"
local driver = require "skynet.socketdriver"

local sockets = {
  entries = {}, -- id -> entry
  onclose = {}, -- id -> function; outlives the entry, because CLOSE may come after it.
  leaving = {}, -- id -> buffer of a stream that was abandoned and is not handed over yet.
  resumes = {}, -- id -> how many of our resumes the server has not answered; nil: none.
  HOLD_BYTES = 128 * 1024, -- Reading stops while more waits and nobody wants so much.
}

local entries, resumes = sockets.entries, sockets.resumes

local function on_end(sockets_of, f)
  setmetatable(sockets_of, {
    __gc = function()
      for id in pairs(sockets_of) do
        f(id)
      end
    end,
  })
end

-- What is open when the VM ends is closed. What is on its way to another service, too: that one
-- would miss bytes and not know it.
on_end(entries, driver.close)
on_end(sockets.leaving, driver.shutdown)

--- A new entry, whose socket is being opened. `callback` is that of a listener or a datagram
-- socket; without one it is a stream. What an entry says, beside this:
--
-- `required`: what the suspended coroutine waits for: number of bytes (0: any), separator of a line
-- (of at most `line_limit` bytes), true (end of stream) or nil (nothing that data can give).
-- `held`: true when the server was told to read nothing, "resuming" until it has answered the
-- opposite. `reason`: why opening failed. `buffer_limit`, `on_warning`: set by limit(), warning().
function sockets.new_entry(id, callback)
  return {
    id = id,
    callback = callback,
    buffer = callback == nil and driver.buffer() or nil,
    connected = false,
    opening = true,
    suspended = false, -- A coroutine sleeps on the entry.
    awaiting = false, -- A reader sleeps, or was woken and has not run yet.
    closing = false,
    held = false,
  }
end

function sockets.wake(s)
  if s.suspended then
    s.suspended = false
    skynet.wakeup(s)
  end
end

--- Sleeps until wake(). Who waits for data of a held socket lets it read again: the answer, which
-- comes behind what was read before, ends `held`, so that this cannot hold it once more.
function sockets.suspend(s)
  assert(not s.suspended)
  s.suspended = true
  if s.held == true and not s.closing then
    local id = s.id
    s.held = "resuming"
    resumes[id] = (resumes[id] or 0) + 1
    driver.start(id)
  end
  skynet.wait(s)
  if s.closer then
    skynet.wakeup(s.closer)
  end
end

--- Lets the server read nothing more until somebody waits for data again.
function sockets.hold(s)
  if not s.closing then
    s.held = true
    driver.pause(s.id)
  end
end

--- The entry of a stream; raises, on the caller's caller, when `id` is none.
function sockets.stream(id)
  local s = entries[id]
  if s == nil then
    error("socket " .. tostring(id) .. " is not open here", 3)
  elseif s.buffer == nil then
    local kind = s.protocol == "UDP" and "datagram socket" or "listener"
    error("socket " .. id .. " is a " .. kind .. ": it has no stream", 3)
  end
  return s
end

return sockets
