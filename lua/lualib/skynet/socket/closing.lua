--- Ending connections, or this service's part in them.
-- @module skynet.socket.closing

local skynet = require "skynet"
local core = require "skynet.core"
local driver = require "skynet.socketdriver"
local scheduler = require "skynet.scheduler"
local sockets = require "skynet.socket.entries"

local entries, onclose, leaving = sockets.entries, sockets.onclose, sockets.leaving
local wake, suspend = sockets.wake, sockets.suspend

local HANDOVER_TRIES = 100 -- In 1/100 s: the server answers within one of its batches.

local closing = {}

--- Suspends until the server said CLOSE; a coroutine that waits for data goes first.
local function await_close(s)
  if s.suspended or s.waiting then
    s.closer = {}
    skynet.wait(s.closer)
    s.closer = nil
  end
  while s.connected do
    suspend(s)
  end
end

local function close(id)
  local s = entries[id]
  if s == nil then
    return
  elseif s.closing then
    core.raise("socket " .. id .. " is being closed by another coroutine")
  end
  s.closing = true
  -- In a <close> variable of a coroutine that raised or was killed nobody can wait.
  local answer = s.connected and coroutine.isyieldable()
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

--- Closes after sending what is queued. Suspends until that is done. A coroutine that waits on the
-- socket is woken first and may still read what is buffered. An unknown id is ignored. Where
-- nothing can suspend, as in a <close> variable of a coroutine that was killed, it does not wait.
-- @raises if another coroutine is closing it
closing.close = driver.close_call(close, function() end)

--- Closes an id that was never started here, such as one that a listener accepted.
-- @raises if it was: then use close()
function closing.close_fd(id)
  if entries[id] then
    core.raise "use socket.close: the socket is open here"
  end
  driver.close(id)
end

--- Ends the connection without sending what is queued; readers wake. close() is still needed.
function closing.shutdown(id)
  local s = entries[id]
  if s then
    driver.shutdown(id, s.connected)
  end
end

--- Gives the socket up for the service that will start() it. Whoever waits on it here wakes as if
-- the connection had ended. A stream loses no byte: what was received and not read, here or on its
-- way to here, is what the next owner reads first. An unknown id, or one being closed, is ignored.
function closing.abandon(id)
  local s = entries[id]
  if s == nil or s.closing then
    return
  end
  core.track_ends()
  s.special = true
  entries[id] = nil
  onclose[id] = nil
  if s.buffer == nil then
    driver.pause(id)
  elseif s.connected then
    leaving[id] = s.buffer
    s.buffer = driver.buffer()
    driver.hand_over(id)
  elseif not s.opening then
    -- CLOSE was the last message: all that there is to give back is here.
    driver.hand_over(id)
    driver.give_back(id, s.buffer)
  end
  s.connected, s.opening = false, false
  s.reason = "socket abandoned"
  wake(s)
end

--- Sockets that were abandoned are handed over before the service ends: each takes a message.
function scheduler.before_exit()
  local tries = HANDOVER_TRIES
  while next(leaving) and tries > 0 and scheduler.current() do
    tries = tries - 1
    skynet.sleep(1)
  end
end

--- Sets `f(id)` to run once, in a coroutine, when the connection has ended for whatever reason;
-- nil: nothing runs.
-- @raises if `f` is anything else
function closing.onclose(id, f)
  sockets.check_callback(f)
  core.track_ends()
  onclose[id] = f
end

--- @treturn boolean whether the id is unknown here
function closing.invalid(id)
  return entries[id] == nil
end

--- @treturn boolean|nil whether the id is known here and its connection has ended; nil: unknown
function closing.disconnected(id)
  local s = entries[id]
  if s then
    return not s.connected and not s.opening
  end
end

return closing
