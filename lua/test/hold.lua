-- Does a socket whose reader is slow stop reading, does it go on when somebody reads, and does no
-- way of reading hang or lose a byte through it?

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local KIB, MIB = 1024, 1024 * 1024
-- What one event of the reactor and the messages under way may add to what a service holds at.
local UNDER_WAY = 1024 * KIB

--- A pair whose client has much more under way than kernels buffer.
local function flooded(bytes)
  local client, server = harness.pair()
  local sent = harness.bytes(MIB, 5):rep(bytes // MIB)
  assert(socket.write(client, sent))
  return client, server, sent
end

--- Lets `client` send until `server` is held, slowly, so that what was read by then says when it was
-- told to stop; then all that is left of `sent`.
local function send_until_held(client, server, sent)
  local at, piece = 1, 64 * KIB
  while harness.info(server).state ~= "connected_held" do
    assert(at < #sent, "all was read, and nobody stopped it")
    socket.write(client, sent:sub(at, at + piece - 1))
    at = at + piece
    skynet.sleep(1)
  end
  socket.write(client, sent:sub(at))
end

local function await_held(server)
  harness.await_state(server, "connected_held")
end

function cases.nobody_reads_and_128_kib_are_enough()
  local client, server = harness.pair()
  local sent = harness.bytes(16 * MIB, 8)
  send_until_held(client, server, sent)
  local read = harness.info(server).read
  assert(read > 128 * KIB and read < 128 * KIB + UNDER_WAY, read .. " bytes were read")
  equal(harness.info(server).reading, false)
  skynet.sleep(5)
  equal(harness.info(server).read, read)
  assert(socket.read(server, #sent) == sent, "held bytes came back changed")
end

function cases.reader_in_small_pieces_gets_every_byte_of_a_held_socket()
  local client, server, sent = flooded(8 * MIB)
  await_held(server)
  local writer = harness.spawn(socket.close, client)
  local at, rests = 1, {}
  while at <= #sent do
    local data, rest = socket.read(server, math.random(100000))
    data = data or rest
    assert(sent:sub(at, at + #data - 1) == data, "bytes differ behind offset " .. at)
    at = at + #data
    rests[#rests + 1] = rest
    if math.random(20) == 1 then
      skynet.yield()
    end
  end
  writer.join()
  equal(socket.read(server), false)
  assert(#rests <= 1)
end

function cases.LV12_sized_read_lets_at_most_its_size_and_128_kib_be_read()
  local client, server = harness.pair()
  local sent, wanted = harness.bytes(16 * MIB, 9), 2 * MIB
  local reader = harness.spawn(socket.read, server, wanted)
  send_until_held(client, server, sent)
  local read = harness.info(server).read
  assert(read < wanted + 128 * KIB + UNDER_WAY, read .. " bytes were read")
  assert(reader.join() == sent:sub(1, wanted))
  assert(socket.read(server, #sent - wanted) == sent:sub(wanted + 1))
end

function cases.LV34_readall_of_a_held_socket_ends()
  local client, server, sent = flooded(8 * MIB)
  await_held(server)
  local reader = harness.spawn(socket.readall, server)
  socket.close(client)
  assert(reader.join() == sent, "8 MiB came back changed")
end

function cases.LV34_readall_ends_whatever_the_size()
  local client, server = harness.pair()
  local reader = harness.spawn(socket.readall, server)
  local sent = harness.bytes(MIB, 6):rep(16)
  socket.write(client, sent)
  socket.close(client)
  assert(reader.join() == sent, "16 MiB came back changed")
end

function cases.LV12_line_of_a_held_socket_is_found()
  local client, server = harness.pair()
  local line = ("x"):rep(4 * MIB)
  socket.write(client, { line, "\n", line, "\n" })
  await_held(server)
  equal(#socket.readline(server), #line)
  equal(#socket.readline(server), #line)
end

function cases.read_of_anything_resumes_a_held_socket()
  local client, server = harness.pair()
  local sent = ("x"):rep(200 * KIB)
  socket.write(client, sent)
  await_held(server)
  local got = 0
  while got < #sent do
    got = got + #socket.read(server)
  end
  equal(got, #sent)
  local reader = harness.spawn(socket.read, server)
  harness.await_state(server, "connected")
  socket.write(client, "more")
  equal(reader.join(), "more")
end

function cases.block_resumes_a_paused_socket()
  local client, server = harness.pair()
  socket.pause(server)
  socket.write(client, "abc")
  await_held(server)
  equal(socket.block(server), true)
  equal(socket.read(server), "abc")
  harness.await_state(server, "connected")
end

function cases.paused_socket_reads_nothing_until_somebody_reads()
  local client, server = harness.pair()
  socket.pause(server)
  await_held(server)
  socket.write(client, "abc")
  skynet.sleep(5)
  equal(harness.info(server).read, 0)
  equal(socket.read(server), "abc")
end

function cases.pause_while_it_resumes_is_not_lost()
  local client, server = harness.pair()
  socket.pause(server)
  local reader = harness.spawn(socket.read, server)
  harness.spawn(socket.pause, server)
  await_held(server)
  assert(not reader.has_ended())
  socket.shutdown(client)
  socket.close(server)
  equal(reader.join(), false)
end

function cases.paused_listener_accepts_nothing_until_it_is_started_again()
  local accepted = 0
  local function serve(id)
    accepted = accepted + 1
    socket.close_fd(id)
  end
  local port, listener = harness.listen(serve)
  socket.pause(listener)
  harness.await_state(listener, "listening_held")
  local client = assert(socket.open("127.0.0.1", port))
  skynet.sleep(5)
  equal(accepted, 0)
  equal(socket.start(listener, serve), listener)
  equal(socket.read(client), false)
  equal(accepted, 1)
end

-- No command must follow the close: "invalid socket" would be logged.
function cases.held_socket_closes_without_being_resumed()
  local client, server = harness.pair()
  socket.write(client, ("x"):rep(300 * KIB))
  await_held(server)
  socket.close(server)
  equal(socket.invalid(server), true)
  equal(socket.read(client), false)
  socket.close(client)
  skynet.sleep(2)
end

function cases.peer_that_closes_a_held_socket_is_seen_behind_its_data()
  local client, server = harness.pair()
  local sent = ("x"):rep(300 * KIB)
  socket.write(client, sent)
  await_held(server)
  socket.close(client)
  equal(#socket.read(server, #sent), #sent)
  equal(socket.read(server), false)
  equal(socket.disconnected(server), true)
end

function cases.limit_closes_a_socket_with_more_unread_and_keeps_what_came()
  local client, server = harness.pair()
  socket.limit(server, 1000)
  socket.write(client, ("x"):rep(2000))
  harness.eventually(function()
    return socket.disconnected(server)
  end)
  harness.expect_log("more than its limit")
  equal(#socket.readall(server), 2000)
  equal(socket.read(client), false)
end

function cases.limit_ends_the_search_for_a_line_and_a_readall()
  for _, read in ipairs { socket.readline, socket.readall } do
    local client, server = harness.pair()
    socket.limit(server, 1000)
    local reader = harness.spawn(function()
      return read(server)
    end)
    socket.write(client, ("x"):rep(1500))
    local data, rest = reader.join()
    equal(#(data or rest), 1500)
    harness.expect_log("more than its limit")
  end
end

--- Sends `count` bytes and waits until `server` keeps them all; true: it is still connected then.
local function keeps(client, server, count)
  local s = driver.entries()[server]
  local before = driver.size(s.buffer)
  socket.write(client, ("x"):rep(count))
  harness.eventually(function()
    return driver.size(s.buffer) == before + count
  end)
  skynet.sleep(1) -- As long as its end takes, and longer.
  return not socket.disconnected(server)
end

function cases.limit_acts_at_the_exact_byte_whoever_waits()
  local waiters = { false, socket.readline, socket.readall }
  for _, limit in ipairs { 0, 1, 10, 10.9, 128 * KIB - 1, 128 * KIB } do
    for _, read in ipairs(limit < KIB and waiters or { false }) do
      local client, server = harness.pair()
      socket.limit(server, limit)
      local reader = read and harness.spawn(read, server)
      skynet.yield()
      local most = math.floor(limit)
      if most > 1 then
        assert(keeps(client, server, most - 1), "closed below its limit of " .. limit)
      end
      if most > 0 then
        assert(keeps(client, server, 1), "closed at its limit of " .. limit)
      end
      socket.write(client, "\n")
      harness.eventually(function()
        return socket.disconnected(server)
      end)
      harness.expect_log(most + 1 .. " bytes wait unread, more than its limit")
      if reader then
        local data, rest = reader.join()
        equal(#(data or rest), read == socket.readline and most or most + 1)
      else
        equal(#socket.readall(server), most + 1)
      end
    end
  end
end

function cases.limit_lets_go_what_a_reader_takes()
  local client, server = harness.pair()
  socket.limit(server, 10)
  local reader = harness.spawn(socket.read, server)
  skynet.yield()
  socket.write(client, ("x"):rep(11)) -- One message, more than the limit: it does not wait unread.
  equal(#reader.join(), 11)
  for _ = 1, 3 do
    assert(keeps(client, server, 10))
    equal(#socket.read(server), 10)
  end
  for _, none in ipairs { 0 / 0, math.huge, nil } do
    socket.limit(server, none)
    assert(keeps(client, server, 11))
    equal(#socket.read(server), 11)
  end
  socket.limit(server, nil)
  assert(keeps(client, server, 11))
end

function cases.limit_leaves_a_waiting_reader_to_c()
  local _, server = harness.pair()
  socket.limit(server, 10)
  harness.spawn(socket.read, server)
  skynet.yield()
  equal(driver.entries()[server].waiting, not os.getenv "SKYSOCK_TEST_SOCKETS_IN_LUA")
end

function cases.limit_does_not_concern_a_sized_read()
  local client, server = harness.pair()
  socket.limit(server, 1000)
  local reader = harness.spawn(socket.read, server, 5000)
  socket.write(client, ("x"):rep(5000))
  equal(#reader.join(), 5000)
  socket.limit(server, nil)
  socket.write(client, ("x"):rep(5000))
  equal(#socket.read(server, 5000), 5000)
end

function cases.limit_and_warning_of_an_unknown_id_raise()
  harness.expect_error("not open here", socket.limit, 12345, 1)
  harness.expect_error("not open here", socket.warning, 12345, print)
end

function cases.warning_tells_of_waiting_output_and_of_its_end()
  local client, server = harness.pair()
  local told = {}
  local drained = harness.event()
  socket.warning(client, function(id, kib)
    skynet.yield() -- It may suspend.
    equal(id, client)
    told[#told + 1] = kib
    if kib == 0 then
      drained.set()
    end
  end)
  local sent = ("x"):rep(16 * MIB)
  assert(socket.write(client, sent))
  equal(#socket.read(server, #sent), #sent)
  drained.await()
  assert(#told >= 2 and told[1] >= 1024, "first warning at " .. told[1] .. " KiB")
end

function cases.warning_is_logged_when_nobody_asked_for_it()
  local client, server = harness.pair()
  socket.warning(client, nil)
  assert(socket.write(client, ("x"):rep(16 * MIB)))
  equal(#socket.read(server, 16 * MIB), 16 * MIB)
  harness.expect_log("socket " .. client .. ": warning: %d+ KiB wait to be sent")
end

harness.run(cases, ...)
