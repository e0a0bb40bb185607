--- Makes the connections that lines "HOST PORT COUNT IN_FLIGHT" order: on each one byte goes each
-- way, then the peer ends it. What is answered, core/base/connect_order.hpp says.
-- Usage: skysock bench/servers/connect.lua HOST PORT   (PORT 0: any free port, see the line)

local skynet = require "skynet"
local socket = require "skynet.socket"
local tcp_server = require "tcp_server"

local WAITING_MAX = 4096
local QUOTED_MAX = 100
local EXPECTED = "expected HOST PORT COUNT IN_FLIGHT: a numeric IPv4 address, 1 to 65535, 1 to 1000000000, 1 to 10000"

local function number(text, max)
  local value = #text <= 10 and math.tointeger(tonumber(text, 10))
  return value and value >= 1 and value <= max and value
end

local function is_v4(host)
  local parts = { host:match "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$" }
  for _, part in ipairs(parts) do
    if tonumber(part) > 255 or part:match "^0." then
      return false
    end
  end
  return #parts == 4
end

-- The order of a line, or nil and what is wrong with it.
local function parse(line)
  local host, port, count, in_flight = line:match "^(%S+) (%d+) (%d+) (%d+)$"
  local order = host and is_v4(host) and {
    host = host,
    port = number(port, 65535),
    count = number(count, 1000000000),
    in_flight = number(in_flight, 10000),
    begun = 0,
    running = 0,
    ids = {},
  }
  if order and order.port and order.count and order.in_flight then
    return order
  end
  local quoted = line:sub(1, QUOTED_MAX):gsub("[^ -~]", "?")
  return nil, ("order '%s%s': %s"):format(quoted, #line > QUOTED_MAX and "..." or "", EXPECTED)
end

-- Wakes whoever waits for one of its connections.
local function give_up(order, reason)
  order.failed = order.failed or reason
  for id in pairs(order.ids) do
    socket.shutdown(id)
  end
end

-- What is wrong with what the peer did; nil: nothing.
local function exchange(id)
  if not socket.write(id, "c") then
    return "connection reset"
  end
  local answer = socket.read(id)
  if not answer then
    return "expected the byte 'c', got the end"
  elseif #answer > 1 then
    return "expected one byte and the end, got more"
  elseif answer ~= "c" then
    return "expected the byte 'c', got another one"
  elseif socket.read(id) then
    return "expected one byte and the end, got more"
  end
end

local function make_one(order)
  local id, reason = socket.open(order.host, order.port)
  if not id then
    return reason
  end
  if order.failed then -- Meanwhile.
    socket.close(id)
    return
  end
  order.ids[id] = true
  local wrong = exchange(id)
  order.ids[id] = nil
  socket.close(id)
  return wrong
end

-- One of the order's coroutines, which make one connection after another.
local function make_some(order)
  while order.begun < order.count and not order.failed do
    order.begun = order.begun + 1
    local wrong = make_one(order)
    if wrong and not order.failed then
      give_up(order, ("%s:%d: %s"):format(order.host, order.port, wrong))
    end
  end
  order.running = order.running - 1
  if order.running == 0 then
    skynet.wakeup(order)
  end
end

-- Returns the reply.
local function carry_out(order)
  order.running = math.min(order.count, order.in_flight)
  for _ = 1, order.running do
    skynet.fork(make_some, order)
  end
  skynet.wait(order)
  return order.failed and "failed: " .. order.failed or ("done %d"):format(order.count)
end

tcp_server.run("connect.lua", function(control)
  local waiting, current, ended = "", nil, false

  local function next_line()
    local line, rest = waiting:match "^([^\n]*)\n(.*)$"
    waiting = rest or waiting
    return line
  end

  -- Orders are carried out beside the reading, so that the end of the client is noticed.
  local busy = false
  local function work()
    for line in next_line do
      local order, wrong = parse(line)
      current = order
      local reply = order and carry_out(order) or "failed: " .. wrong
      current = nil
      if ended then
        break
      elseif not socket.write(control, reply .. "\n") then
        socket.shutdown(control) -- It does not read its replies.
        break
      end
    end
    busy = false
  end

  local data = socket.read(control)
  while data do
    if #waiting + #data > WAITING_MAX then
      waiting = ""
      if not socket.write(control, ("failed: more than %d bytes of orders wait\n"):format(WAITING_MAX)) then
        break
      end
    else
      waiting = waiting .. data
      if not busy then
        busy = true
        skynet.fork(work)
      end
    end
    data = socket.read(control)
  end
  ended, waiting = true, ""
  if current then
    give_up(current, "the control connection ended")
  end
end, { send_limit = 65536 }, ...)
