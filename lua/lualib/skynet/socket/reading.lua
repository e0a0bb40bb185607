--- Reading from streams: suspends the calling coroutine until what it asks for is there.
-- @module skynet.socket.reading

local core = require "skynet.core"
local driver = require "skynet.socketdriver"
local scheduler = require "skynet.scheduler"
local sockets = require "skynet.socket.entries"

local entries, stream, suspend = sockets.entries, sockets.stream, sockets.suspend
local end_wait = sockets.end_wait
local pop, pop_all, pop_line = driver.pop, driver.readall, driver.readline

local LINE_BYTES_MAX = driver.LINE_BYTES_MAX

local reading = {}

--- Suspends until `required` is there or the connection ends. Returns at once, with false, when
-- nothing more can come: a closing socket must not put a reader to sleep again.
local function await(s, required, line_limit)
  if s.closing or not (s.connected or s.opening) then
    return false
  elseif s.suspended or s.waiting then
    core.raise("another coroutine waits on socket " .. s.id)
  end
  scheduler.check()
  s.required, s.line_limit = required, line_limit
  s.awaiting = true
  suspend(s)
  s.awaiting = false
  s.required = nil
  return true
end

local function is_count(n)
  return (math.tointeger(n) or -1) >= 0
end

local function read(id, n)
  local s = stream(id)
  if n == nil then
    local data = pop_all(s.buffer)
    if data == "" and await(s, 0) then
      data = pop_all(s.buffer)
    end
    if data == "" then
      return false, ""
    end
    return data
  elseif n == 0 then
    return ""
  elseif not is_count(n) then
    core.raise "bad argument #2 to 'read' (number of bytes expected)"
  end
  local data = pop(s.buffer, nil, n)
  if data == nil and await(s, n) then
    data = pop(s.buffer, nil, n)
  end
  if data == nil then
    return false, pop_all(s.buffer)
  end
  return data
end

--- The end of a read() that waited in C and did not get what it waited for.
local function read_after(s, n)
  end_wait(s)
  local data = n and pop(s.buffer, nil, n)
  if data == nil then
    data = pop_all(s.buffer)
    if n or data == "" then
      return false, data
    end
  end
  return data
end

--- Reads `n` bytes, or what there is.
-- @tparam integer id
-- @tparam[opt] integer n nil: at least one byte; 0: "" at once
-- @treturn string|false data; false when the connection ended before
-- @treturn string the rest, if false
-- @raises for a negative n, an id that is not open here, a second waiting coroutine
reading.read = driver.read_call(read, read_after)

--- Reads until the connection ends.
-- @treturn string|false all bytes; false if it had ended before and nothing was left
function reading.readall(id)
  local s = stream(id)
  local waited = await(s, true)
  local data = pop_all(s.buffer)
  if data == "" and not waited then
    return false
  end
  return data
end

--- What readline() returns for what the buffer gave.
local function line_or_why_not(s, line)
  if line == nil then
    return false, pop_all(s.buffer)
  elseif line == false then
    return nil, "line too long"
  end
  return line
end

local function readline(id, separator, limit)
  local s = stream(id)
  if s.waits_for_line then -- Another separator would end the search of who waits.
    core.raise("another coroutine waits on socket " .. id)
  end
  separator = separator or "\n"
  limit = limit or LINE_BYTES_MAX
  if separator == "" or type(separator) ~= "string" and type(separator) ~= "number" then
    core.raise "bad argument #2 to 'readline' (separator expected, not empty)"
  elseif not is_count(limit) then
    core.raise "bad argument #3 to 'readline' (number of bytes expected)"
  end
  local line = pop_line(s.buffer, true, separator, limit)
  if line == nil then
    if await(s, separator, limit) then
      line = pop_line(s.buffer, true, separator, limit)
    end
  end
  return line_or_why_not(s, line)
end

--- The end of a readline() that waited in C and did not get what it waited for.
local function readline_after(s, separator, limit)
  end_wait(s)
  return line_or_why_not(s, pop_line(s.buffer, true, separator or "\n", limit or LINE_BYTES_MAX))
end

--- Reads a line.
-- @tparam integer id
-- @tparam[opt="\n"] string separator
-- @tparam[opt=16777216] integer limit bytes of the longest line
-- @treturn string|false|nil line without separator; false: the connection ended before; nil: the
-- line is longer than `limit` (nothing is consumed)
-- @treturn string the rest if false, the reason if nil
reading.readline = driver.readline_call(readline, readline_after)

--- Suspends until there is something to read or the connection ends.
-- @treturn boolean whether it is still connected
function reading.block(id)
  local s = entries[id]
  if s == nil or s.buffer == nil or not s.connected then
    return false
  end
  if driver.size(s.buffer) == 0 then
    await(s, 0)
  end
  return s.connected
end

--- Reads nothing more from a stream until somebody waits for its data; accepts nothing more on a
-- listener until start(). What was received stays readable.
function reading.pause(id)
  local s = entries[id]
  if s then
    sockets.hold(s)
  end
end

--- Closes a stream when more than `n` bytes wait unread and no read(id, n) asked for them; what was
-- received stays readable. nil: never, which is the default.
-- @raises for anything else, an id that is not open here
function reading.limit(id, n)
  local s = stream(id)
  if n ~= nil and type(n) ~= "number" then
    core.raise("number of bytes expected, got " .. type(n))
  end
  s.buffer_limit = n
end

return reading
