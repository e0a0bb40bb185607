--- Redis-protocol responder: PING, ECHO, SET, GET, DEL, INCR, COMMAND, QUIT, as arrays of bulk
-- strings or as lines; requests may be pipelined. The values live in this service.
-- Usage: skysock lua/examples/redis.lua HOST PORT   (PORT 0: any free port, see the printed line)

local command_line = require "command_line"
local skynet = require "skynet"
local socket = require "skynet.socket"

local LINE_MAX = 64 * 1024
local ARGUMENTS_MAX = 1024
local BULK_MAX = 16 * 1024 * 1024

local values = {}

--- Commands: each gets its arguments and returns the reply ----------------------------------------

local function bulk(text)
  return text and ("$%d\r\n%s\r\n"):format(#text, text) or "$-1\r\n"
end

local function integer(value)
  return (":%d\r\n"):format(value)
end

local commands = {
  PING = { least = 0, most = 1, run = function(text)
    return text and bulk(text) or "+PONG\r\n"
  end },
  ECHO = { least = 1, most = 1, run = bulk },
  SET = { least = 2, most = 2, run = function(key, value)
    values[key] = value
    return "+OK\r\n"
  end },
  GET = { least = 1, most = 1, run = function(key)
    return bulk(values[key])
  end },
  DEL = { least = 1, most = ARGUMENTS_MAX, run = function(...)
    local count = 0
    for _, key in ipairs { ... } do
      count = count + (values[key] and 1 or 0)
      values[key] = nil
    end
    return integer(count)
  end },
  INCR = { least = 1, most = 1, run = function(key)
    local text = values[key] or "0"
    local value = text:find "^-?%d+$" and math.tointeger(tonumber(text))
    if not value then
      return "-ERR value is not an integer or out of range\r\n"
    elseif value == math.maxinteger then
      return "-ERR increment or decrement would overflow\r\n"
    end
    values[key] = tostring(value + 1)
    return integer(value + 1)
  end },
  COMMAND = { least = 0, most = ARGUMENTS_MAX, run = function()
    return "*0\r\n"
  end },
  QUIT = { least = 0, most = 0, run = function()
    return "+OK\r\n"
  end },
}

local function execute(arguments)
  local name = arguments[1]:upper()
  local command = commands[name]
  local count = #arguments - 1
  if not command then
    return ("-ERR unknown command '%s'\r\n"):format(arguments[1]:gsub("[\r\n]", " "):sub(1, 64))
  elseif count < command.least or count > command.most then
    return ("-ERR wrong number of arguments for '%s' command\r\n"):format(name:lower())
  end
  return command.run(table.unpack(arguments, 2))
end

--- Requests ---------------------------------------------------------------------------------------

-- A parser gets the bytes and where the request begins. It returns the arguments and where the next
-- one begins; nil and how many bytes are missing at least; or false and what is wrong.

local COUNT, SIZE = "^%*(%d+)\r\n()", "^%$(%d+)\r\n()" -- Of arguments; of a bulk string.

--- The number of a line and where the next line begins.
local function parse_number(data, from, pattern, most)
  local digits, after = data:match(pattern, from)
  local number = digits and #digits < 10 and tonumber(digits)
  if number and number <= most then
    return number, after
  elseif not data:find("\r\n", from, true) and #data - from <= LINE_MAX then
    return nil, 1
  end
  return false, pattern == COUNT and "invalid multibulk length" or "invalid bulk length"
end

local function parse_array(data, from)
  local count, at = parse_number(data, from, COUNT, ARGUMENTS_MAX)
  if not count then
    return count, at
  end
  local arguments = {}
  for i = 1, count do
    local size, start = parse_number(data, at, SIZE, BULK_MAX)
    if not size then
      return size, start
    end
    at = start + size + 2
    if #data < at - 1 then
      return nil, at - 1 - #data
    end
    arguments[i] = data:sub(start, start + size - 1)
  end
  return arguments, at
end

local function parse_line(data, from)
  local last = data:find("\n", from, true)
  if not last then
    if #data - from > LINE_MAX then
      return false, "too big inline request"
    end
    return nil, 1
  end
  local arguments = {}
  for word in data:sub(from, last):gmatch "%S+" do
    arguments[#arguments + 1] = word
  end
  return arguments, last + 1
end

--- Appends the replies to all requests in `data`. Returns where the next request begins, how many
-- bytes of it are missing at least, and whether the connection ends.
local function serve_all(data, replies)
  local from = 1
  while from <= #data do
    local parse = data:byte(from) == 42 and parse_array or parse_line -- "*"
    local arguments, next_or_missing = parse(data, from)
    if arguments == nil then
      return from, next_or_missing, false
    elseif arguments == false then
      replies[#replies + 1] = "-ERR Protocol error: " .. next_or_missing .. "\r\n"
      return from, 0, true
    end
    from = next_or_missing
    if arguments[1] then
      replies[#replies + 1] = execute(arguments)
      if arguments[1]:upper() == "QUIT" then
        return from, 0, true
      end
    end
  end
  return from, 1, false
end

-- Runs in a coroutine of its own for every connection.
local function serve(id)
  if not socket.start(id) then
    return
  end
  local data = socket.read(id)
  while data do
    local replies = {}
    local from, missing, ends = serve_all(data, replies)
    if #replies > 0 and not socket.write(id, replies) or ends then
      break
    end
    local rest = data:sub(from)
    -- The size of a large value is known: wait for all of it instead of parsing again and again.
    data = missing > 1 and socket.read(id, missing) or socket.read(id)
    data = data and rest .. data
  end
  socket.close(id)
end

local host, port = command_line.address("redis.lua HOST PORT", 0, ...)

skynet.start(function()
  local id, address, bound = socket.listen(host, port)
  if not id then
    command_line.fail(("cannot listen on %s:%d: %s"):format(host, port, address))
  end
  assert(socket.start(id, serve))
  command_line.listening(host .. ":" .. bound)
end)
