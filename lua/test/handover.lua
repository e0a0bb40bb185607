-- Does a socket that is abandoned and started again lose no byte, whatever is under way? Here
-- within one service.

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local MIB = 1024 * 1024

function cases.what_was_received_and_not_read_is_read_by_the_next_owner()
  local client, server = harness.pair()
  socket.write(client, "abcdef")
  equal(socket.read(server, 2), "ab")
  socket.abandon(server)
  equal(socket.invalid(server), true)
  equal(socket.start(server), server)
  socket.write(client, "ghi")
  equal(socket.read(server, 7), "cdefghi")
end

function cases.what_a_waiting_reader_did_not_get_is_not_lost()
  local client, server = harness.pair()
  local reader = harness.spawn(function()
    return socket.readline(server)
  end)
  socket.write(client, "half a li")
  harness.eventually(function()
    return harness.info(server).read == 9
  end)
  skynet.yield()
  socket.abandon(server)
  local line, rest = reader.join()
  equal(line, false)
  equal(rest, "")
  equal(socket.start(server), server)
  socket.write(client, "ne\n")
  equal(socket.readline(server), "half a line")
end

function cases.what_comes_between_abandon_and_start_is_kept()
  local client, server = harness.pair()
  socket.abandon(server)
  socket.write(client, "meanwhile")
  harness.await_state(server, "handed_over")
  skynet.sleep(2)
  equal(socket.start(server), server)
  equal(socket.read(server, 9), "meanwhile")
end

function cases.peer_that_finishes_meanwhile_is_seen_behind_its_data()
  local client, server = harness.pair()
  socket.write(client, "last words")
  socket.abandon(server)
  socket.close(client)
  equal(socket.start(server), server)
  equal(socket.readall(server), "last words")
  equal(socket.disconnected(server), true)
  socket.close(server)
end

function cases.peer_that_had_finished_before_is_seen_again()
  local client, server = harness.pair()
  socket.write(client, "last words")
  socket.close(client)
  harness.eventually(function()
    return socket.disconnected(server)
  end)
  socket.abandon(server)
  equal(socket.start(server), server)
  equal(socket.readall(server), "last words")
  equal(socket.disconnected(server), true)
  socket.close(server)
end

-- The CLOSE is on its way to us when we give the socket up: it must not close it.
function cases.close_that_crosses_the_abandon_ends_nothing()
  for _ = 1, 50 do
    local client, server = harness.pair()
    socket.write(client, "x")
    local closer = harness.spawn(socket.close, client)
    for _ = 1, math.random(0, 3) do
      skynet.yield()
    end
    socket.abandon(server)
    equal(socket.start(server), server)
    equal(socket.readall(server), "x")
    socket.close(server)
    closer.join()
  end
end

function cases.paused_socket_is_handed_over_and_reads_again()
  local client, server = harness.pair()
  local sent = harness.bytes(MIB, 4):rep(8)
  socket.write(client, sent)
  harness.await_state(server, "connected_held")
  socket.abandon(server)
  equal(socket.start(server), server)
  assert(socket.read(server, #sent) == sent, "8 MiB came back changed")
end

-- A reader has just let a held socket go on when it is given up.
function cases.answer_to_a_resume_is_not_taken_for_that_of_a_start()
  local client, server = harness.pair()
  socket.write(client, "abc")
  harness.eventually(function()
    return harness.info(server).read == 3
  end)
  socket.pause(server)
  harness.await_state(server, "connected_held")
  local reader = harness.spawn(function()
    return socket.read(server, 10)
  end)
  local owner = harness.spawn(function()
    for _ = 1, 2 do
      socket.abandon(server)
      assert(socket.start(server))
    end
    return socket.read(server, 3)
  end)
  equal(reader.join(), false)
  equal(owner.join(), "abc")
end

function cases.under_traffic_no_byte_is_lost_or_doubled()
  for seed = 1, 3 do
    local client, server = harness.pair()
      local sent = harness.bytes(2 * MIB, seed)
    local writer = harness.spawn(function()
      local at = 1
      while at <= #sent do
        local n = math.random(20000)
        assert(socket.write(client, sent:sub(at, at + n - 1)))
        at = at + n
        skynet.yield()
      end
      socket.close(client)
    end)
    local at, ended, owners = 1, false, 1
    while not ended do
      local data, rest = socket.read(server, math.random(50000))
      ended = not data
      data = data or rest
      assert(sent:sub(at, at + #data - 1) == data, "bytes differ behind offset " .. at)
      at = at + #data
      if not ended and math.random(3) == 1 then
        socket.abandon(server)
        assert(socket.start(server))
        owners = owners + 1
      end
    end
    equal(at, #sent + 1)
    assert(owners > 5, "only " .. owners .. " owners")
    writer.join()
    socket.close(server)
  end
end

function cases.abandoned_listener_keeps_who_knocks_for_its_next_owner()
  local _, listener = harness.listen(print)
  local sock = harness.info(listener).sock
  socket.abandon(listener)
  harness.await_state(listener, "listening_held")
  local client = assert(socket.open(sock))
  skynet.sleep(2)
  assert(socket.start(listener, function(id)
    assert(socket.start(id))
    socket.write(id, "served")
  end))
  equal(socket.read(client), "served")
end

function cases.abandon_of_a_socket_that_is_being_closed_is_ignored()
  local client, server = harness.pair()
  local closer = harness.spawn(socket.close, server)
  harness.spawn(socket.abandon, server)
  closer.join()
  equal(socket.invalid(server), true)
  equal(socket.read(client), false)
end

function cases.reset_of_an_abandoned_socket_is_told_to_its_next_owner()
  local client, server = harness.pair()
  socket.pause(client)
  harness.await_state(client, "connected_held")
  socket.write(server, "unread: the end resets")
  skynet.sleep(2)
  socket.abandon(server)
  socket.shutdown(client)
  harness.await_state(server, "handed_over")
  equal(socket.start(server), server)
  equal(socket.read(server), false)
  harness.expect_log("socket " .. server .. ": error: .*reset")
end

function cases.start_of_a_socket_that_ended_while_it_was_abandoned_says_so()
  local client, server = harness.pair()
  socket.pause(client)
  harness.await_state(client, "connected_held")
  socket.write(server, "unread: the end resets")
  skynet.sleep(2)
  socket.shutdown(client)
  harness.eventually(function()
    return socket.disconnected(server)
  end)
  harness.expect_log("socket " .. server .. ": error: .*reset")
  socket.abandon(server)
  local id, reason = socket.start(server)
  equal(id, nil)
  equal(reason, "invalid socket")
end

function cases.abandon_forgets_the_onclose_callback()
  local client, server = harness.pair()
  socket.onclose(server, function()
    error "it is not this service's any more"
  end)
  socket.abandon(server)
  equal(socket.start(server), server) -- Which an onclose callback would forbid.
  socket.close(client)
  equal(socket.read(server), false)
  socket.close(server)
end

function cases.nobody_who_starts_it_leaves_the_socket_open()
  local client, server = harness.pair()
  socket.write(client, "waits")
  socket.abandon(server)
  harness.await_state(server, "handed_over")
  driver.close(server)
  equal(socket.read(client), false)
end

harness.run(cases, ...)
