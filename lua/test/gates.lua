-- Does the gate admit, forward, tell and close as a watchdog written for skynet expects? The test
-- is watchdog and agent; clients are sockets of its own. How frames are cut: frame_queue_test.cpp.

local skynet = require "skynet"
local socket = require "skynet.socket"
local harness = require "harness"

local equal, expect_error = harness.equal, harness.expect_error
local cases = {}

local told = {} -- What the gate told the watchdog, in order: {event, fd, ...}
local frames = {} -- What came to the agent: {fd, source, text}
local arrival = {} -- The token of who waits for one of them.

local function arrived(list, entry)
  list[#list + 1] = entry
  skynet.wakeup(arrival)
end

local function await(condition)
  local result = condition()
  while not result do
    skynet.wait(arrival)
    result = condition()
  end
  return result
end

--- Waits for the next thing that the gate tells, which has to be `event`; returns the rest.
local function next_told(event)
  await(function()
    return told[1]
  end)
  local entry = table.remove(told, 1)
  equal(entry[1], event)
  return table.unpack(entry, 2)
end

local function next_frame()
  await(function()
    return frames[1]
  end)
  return table.unpack(table.remove(frames, 1))
end

--- Starts a service and opens it; returns its address and the port.
local function open_gate(conf, name)
  skynet.dispatch("lua", function(_, _, kind, ...)
    equal(kind, "socket")
    arrived(told, { ... })
  end)
  skynet.register_protocol {
    name = "client",
    id = skynet.PTYPE_CLIENT,
    unpack = skynet.tostring,
    dispatch = function(fd, source, text)
      skynet.ignoreret()
      arrived(frames, { fd, source, text })
    end,
  }
  local gate = skynet.newservice(name or "gate")
  conf = conf or {}
  conf.address, conf.port = "127.0.0.1", 0
  local address, port = skynet.call(gate, "lua", "open", conf)
  equal(address, "127.0.0.1")
  assert(port > 0)
  return gate, port
end

local function frame(text)
  return string.pack(">s2", text)
end

local function read_frame(id, format)
  format = format or ">I2"
  local header = socket.read(id, format:packsize())
  return header and socket.read(id, (format:unpack(header)))
end

function cases.gate_forwards_frames_to_an_agent_as_client_messages()
  local gate, port = open_gate()
  local client = assert(socket.open("127.0.0.1", port))
  local fd, address = next_told "open"
  assert(address:find "^127%.0%.0%.1:%d+$", address)
  skynet.call(gate, "lua", "forward", fd, 77)
  socket.write(client, frame "hello" .. frame "" .. frame(("x"):rep(65535)))
  for _, text in ipairs { "hello", "", ("x"):rep(65535) } do
    local session, source, got = next_frame()
    equal(session, fd)
    equal(source, 77)
    equal(got, text)
  end
  socket.write(fd, frame "answer") -- Past the gate.
  equal(read_frame(client), "answer")
  socket.close(client)
  equal(next_told "close", fd)
  skynet.call(gate, "lua", "kick", fd)
end

function cases.gate_sends_frames_without_agent_to_the_watchdog()
  local gate, port = open_gate { nodelay = true }
  local client = assert(socket.open("127.0.0.1", port))
  local fd = next_told "open"
  socket.write(client, frame "early") -- Waits until somebody accepts.
  skynet.call(gate, "lua", "accept", fd)
  local from, text = next_told "data"
  equal(from, fd)
  equal(text, "early")
  skynet.call(gate, "lua", "forward", fd)
  socket.write(client, frame "agent")
  equal(select(3, next_frame()), "agent")
  skynet.call(gate, "lua", "accept", fd)
  socket.write(client, frame "again")
  equal(select(2, next_told "data"), "again")
  socket.close(client)
  next_told "close"
  skynet.call(gate, "lua", "kick", fd)
end

function cases.gate_joins_frames_that_come_in_single_bytes()
  local gate, port = open_gate()
  local client = assert(socket.open("127.0.0.1", port, { nodelay = true }))
  local fd = next_told "open"
  skynet.call(gate, "lua", "forward", fd)
  local stream = frame "one" .. frame "" .. frame "three"
  for i = 1, #stream do
    socket.write(client, stream:sub(i, i))
    skynet.sleep(1)
  end
  equal(select(3, next_frame()), "one")
  equal(select(3, next_frame()), "")
  equal(select(3, next_frame()), "three")
end

function cases.gate_kick_closes_and_is_told_once()
  local gate, port = open_gate()
  local client = assert(socket.open("127.0.0.1", port))
  local fd = next_told "open"
  skynet.call(gate, "lua", "forward", fd)
  socket.write(fd, frame "last words")
  skynet.call(gate, "lua", "kick") -- An agent that names no fd means its own.
  equal(read_frame(client), "last words")
  equal(socket.read(client), false)
  equal(next_told "close", fd)
  skynet.call(gate, "lua", "kick", fd)
  skynet.sleep(5)
  equal(#told, 0)
  expect_error("call failed", skynet.call, gate, "lua", "forward", fd)
end

function cases.gate_kick_of_a_client_that_nobody_reads_closes_it()
  local gate, port = open_gate()
  local client = assert(socket.open("127.0.0.1", port))
  local fd = next_told "open"
  skynet.call(gate, "lua", "kick", fd)
  equal(socket.read(client), false)
  equal(next_told "close", fd)
end

function cases.LV13_gate_admits_maxclient_and_refuses_the_next_without_a_word()
  local gate, port = open_gate { maxclient = 2 }
  local first = assert(socket.open("127.0.0.1", port))
  local fd = next_told "open"
  skynet.call(gate, "lua", "accept", fd)
  assert(socket.open("127.0.0.1", port))
  next_told "open"
  for _ = 1, 3 do
    local refused = assert(socket.open("127.0.0.1", port))
    equal(socket.read(refused), false)
    socket.close(refused)
  end
  equal(#told, 0)
  socket.close(first)
  equal(next_told "close", fd)
  skynet.call(gate, "lua", "kick", fd)
  assert(socket.open("127.0.0.1", port)) -- Its place is free again, once.
  next_told "open"
  local refused = assert(socket.open("127.0.0.1", port))
  equal(socket.read(refused), false)
  skynet.sleep(5)
  equal(#told, 0)
end

function cases.gate_frame_above_the_limit_is_an_error_then_close()
  local gate, port = open_gate { header = 4, frame_limit = 10 }
  local client = assert(socket.open("127.0.0.1", port))
  local fd = next_told "open"
  skynet.call(gate, "lua", "accept", fd)
  socket.write(client, string.pack(">s4", "0123456789") .. string.pack(">I4", 11))
  equal(select(2, next_told "data"), "0123456789")
  local from, text = next_told "error"
  equal(from, fd)
  equal(text, "frame of 11 bytes announced, limit 10")
  equal(next_told "close", fd)
  skynet.call(gate, "lua", "kick", fd)
  equal(socket.read(client), false)
end

function cases.gate_tells_of_output_that_waits()
  local gate, port = open_gate()
  local client = assert(socket.open("127.0.0.1", port))
  local fd = next_told "open"
  skynet.call(gate, "lua", "accept", fd)
  local block = ("x"):rep(1024 * 1024)
  for _ = 1, 40 do
    socket.write(fd, block)
  end
  local from, kbytes = next_told "warning"
  equal(from, fd)
  assert(kbytes >= 1024, kbytes)
  assert(socket.read(client, 40 * #block))
  await(function()
    return told[#told] and told[#told][1] == "warning" and told[#told][3] == 0
  end)
end

function cases.gate_close_keeps_clients_and_can_be_opened_again()
  local gate, port = open_gate()
  local client = assert(socket.open("127.0.0.1", port))
  local fd = next_told "open"
  skynet.call(gate, "lua", "accept", fd)
  socket.write(client, frame("half"):sub(1, 4))
  expect_error("call failed", skynet.call, gate, "lua", "open", { port = 0 })
  skynet.call(gate, "lua", "close")
  expect_error("call failed", skynet.call, gate, "lua", "close")
  equal(socket.open("127.0.0.1", port), nil)
  local _, again = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0 })
  socket.write(client, frame("half"):sub(5))
  equal(select(2, next_told "data"), "half")
  assert(socket.open("127.0.0.1", again))
  next_told "open"
end

function cases.gate_takes_numbers_that_are_texts()
  local gate, port = open_gate { maxclient = "1", backlog = "16", header = "4", frame_limit = "0x10" }
  local client = assert(socket.open("127.0.0.1", port))
  local fd = next_told "open"
  local refused = assert(socket.open("127.0.0.1", port))
  assert(not socket.read(refused))
  skynet.call(gate, "lua", "accept", fd)
  socket.write(client, string.pack(">s4", ("x"):rep(16)))
  equal(select(2, next_told "data"), ("x"):rep(16))
  socket.write(client, string.pack(">s4", ("x"):rep(17)))
  equal(next_told "error", fd)
end

function cases.gate_open_fails_with_the_reason()
  local _, port = open_gate()
  local second = skynet.newservice "gate"
  expect_error("call failed", skynet.call, second, "lua", "open",
    { address = "127.0.0.1", port = port })
  local _, other = skynet.call(second, "lua", "open", { address = "127.0.0.1", port = 0 })
  assert(socket.open("127.0.0.1", other))
  next_told "open"
  expect_error("call failed", skynet.call, second, "lua", "bogus")
end

local function echoes_frames(format, largest)
  local gate, port = open_gate({ header = string.packsize(format) }, "frame_echo")
  local client = assert(socket.open("127.0.0.1", port))
  for _, size in ipairs { 0, 1, 65535, largest } do
    local text = ("x"):rep(size)
    socket.write(client, format:pack(size) .. text)
    equal(read_frame(client, format), text)
  end
  socket.close(client)
  while skynet.call(gate, "lua", "closed") == 0 do
    skynet.sleep(1)
  end
  equal(skynet.call(gate, "lua", "closed"), 1)
end

function cases.gateserver_echoes_frames_with_headers_of_2_bytes()
  echoes_frames(">I2", 9)
end

function cases.gateserver_echoes_frames_with_headers_of_4_bytes()
  echoes_frames(">I4", 1000000)
end

function cases.gateserver_goes_on_while_a_callback_waits()
  local _, port = open_gate({ slow = true }, "frame_echo")
  local client = assert(socket.open("127.0.0.1", port))
  socket.write(client, frame "first" .. frame "second" .. frame "third")
  local order = {}
  for i = 1, 3 do
    order[i] = read_frame(client)
  end
  equal(order[3], "first")
end

function cases.gateserver_error_in_connect_closes_the_client()
  local gate, port = open_gate({ connect_fails = true, maxclient = 1 }, "frame_echo")
  for i = 1, 3 do
    local client = assert(socket.open("127.0.0.1", port))
    equal(socket.read(client), false)
    while skynet.call(gate, "lua", "closed") < i do
      skynet.sleep(1)
    end
  end
end

function cases.gate_can_be_opened_at_the_port_that_it_has_just_closed()
  local gate = open_gate()
  local conf = { address = "127.0.0.1", port = harness.closed_port() }
  for _ = 1, 10 do
    skynet.call(gate, "lua", "close")
    skynet.call(gate, "lua", "open", conf)
  end
  skynet.call(gate, "lua", "close")
  conf.maxclient = "two"
  expect_error("call failed", skynet.call, gate, "lua", "open", conf) -- Not each client's problem.
end

harness.run(cases, ...)
