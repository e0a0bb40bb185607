-- Does send take every kind of payload that skynet's does (SPEC: payload rules of driver.send), and
-- does a wrong argument raise before anything is taken from it?

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

function cases.text_is_sent_and_what_stands_behind_it_is_ignored()
  local client, server = harness.pair()
  equal(socket.write(client, "abc", 1), true)
  equal(socket.write(client, ("x"):gsub("x", "y")), true) -- A string and a count.
  equal(driver.send(client, 12, {}), true)
  equal(socket.read(server, 6), "abcy12")
end

function cases.table_is_joined_up_to_the_first_nil()
  local client, server = harness.pair()
  equal(socket.write(client, { "a", 1, nil, "not sent" }), true)
  equal(socket.write(client, { n = "no list" }), true)
  equal(socket.write(client, { ("x"):rep(100000), "\n" }), true)
  equal(socket.readline(server), "a1" .. ("x"):rep(100000))
end

function cases.table_whose_parts_are_no_text_raises_and_nothing_is_sent()
  local client, server = harness.pair()
  for _, odd in ipairs { true, {}, print, io.stdout } do
    harness.expect_error("index 2 of the data table", socket.write, client, { "a", odd })
  end
  socket.write(client, "b")
  equal(socket.read(server), "b")
end

function cases.table_of_2_gib_raises()
  local client = harness.pair()
  local parts = table.pack(("x"):rep(1 << 20))
  for i = 2, 2048 do
    parts[i] = parts[1]
  end
  harness.expect_error("2 GiB", socket.write, client, parts)
end

function cases.memory_with_its_size_is_taken()
  local client, server = harness.pair()
  equal(socket.write(client, driver.str2p("abc")), true)
  equal(socket.lwrite(client, driver.str2p("")), true)
  local memory = driver.str2p("defghi")
  equal(socket.write(client, memory, 3), true)
  equal(socket.read(server, 6), "abcdef")
end

-- ASan finds what a refused send would leak.
function cases.memory_for_a_socket_that_takes_nothing_is_freed()
  local client = harness.pair()
  socket.close(client)
  equal(socket.write(client, driver.str2p("abc")), false)
  equal(socket.write(2 ^ 31 - 1, driver.str2p("abc")), false)
end

function cases.memory_without_a_size_would_be_an_object_and_raises()
  local client, server = harness.pair()
  local memory, size = driver.str2p "still ours"
  for _, odd in ipairs { -1, 1 << 31, 1 << 40, math.mininteger, 1.5, "x", {} } do
    harness.expect_error("bad argument #3", driver.send, client, memory, odd)
  end
  harness.expect_error("bad argument #3", driver.send, client, memory)
  equal(driver.send(client, memory, size), true)
  equal(socket.read(server, size), "still ours")
end

function cases.userdata_is_sent_as_the_memory_it_is()
  local client, server = harness.pair()
  equal(socket.write(client, io.stdout, 4), true)
  equal(socket.write(client, io.stdout, 0), true)
  equal(#socket.read(server, 4), 4)
  equal(socket.write(client, io.stdout), true)
  equal(socket.write(client, "\n"), true)
  harness.eventually(function()
    return harness.info(server).read >= 4 + 1 + 8
  end)
  harness.expect_error("more than the userdata has", socket.write, client, io.stdout, 1000)
  harness.expect_error("receive buffer", socket.write, client, driver.buffer())
end

function cases.everything_else_raises()
  local client, server = harness.pair()
  for _, odd in ipairs { true, print, coroutine.running() } do
    harness.expect_error("string expected", socket.write, client, odd)
  end
  harness.expect_error("string expected", socket.write, client)
  for _, id in ipairs { 0, -1, 1 << 31, 1 << 40, 1.5, "x", {} } do
    local memory = driver.str2p "not taken"
    harness.expect_error("bad argument #1", driver.send, id, memory, 9)
    driver.drop(memory, 9)
  end
  socket.write(client, "b")
  equal(socket.read(server), "b")
end

-- A proxy that does not look at what it forwards: what unpack gives is sent on as it is.
function cases.received_data_is_forwarded_without_becoming_a_string()
  local client, server = harness.pair()
  local other_client, other_server = harness.pair()
  local forward = server
  local handle
  handle = skynet.dispatch("socket", function(session, source, kind, id, ud, data, address)
    if kind == 1 and id == forward then
      equal(driver.send(other_client, data, ud), true)
      equal(driver.send(other_client, data), true) -- It was taken: nothing is left.
    else
      handle(session, source, kind, id, ud, data, address)
    end
  end)
  local sent = harness.bytes(1024 * 1024, 3)
  local reader = harness.spawn(socket.read, other_server, #sent)
  socket.write(client, sent)
  assert(reader.join() == sent, "1 MiB was changed on its way")
end

function cases.send_beyond_the_limit_says_so()
  local client = harness.pair()
  assert(driver.set_option(client, "send_limit", 1000))
  harness.eventually(function()
    local taken, reason = socket.write(client, ("x"):rep(1001))
    return not taken and reason == "limit"
  end)
  local taken, reason = socket.write(client, driver.str2p(("x"):rep(1001)))
  equal(taken, false)
  equal(reason, "limit")
  equal(socket.write(client, ("x"):rep(1000)), true)
end

function cases.send_to_a_socket_that_is_gone_says_so()
  local client = harness.pair()
  socket.close(client)
  local taken, reason = socket.write(client, "x")
  equal(taken, false)
  equal(reason, "closed")
end

harness.run(cases, ...)
