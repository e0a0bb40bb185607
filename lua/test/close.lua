-- Does every coroutine that waits on a socket come back when the socket goes, whoever closes it?

local skynet = require "skynet"
local socket = require "skynet.socket"
local harness = require "harness"

local equal = harness.equal
local cases = {}

-- A reader of each kind is suspended in another coroutine while we close.
local function close_wakes(read, ...)
  local _, server = harness.pair()
  local reader = harness.spawn(read, server, ...)
  skynet.yield()
  socket.close(server)
  assert(reader.has_ended(), "close came back before the reader")
  assert(socket.invalid(server))
  return reader.join()
end

function cases.LV21_close_wakes_a_reader_of_anything()
  equal(close_wakes(socket.read), false)
end

function cases.LV21_close_wakes_a_reader_of_n_bytes()
  equal(close_wakes(socket.read, 10), false)
end

function cases.LV21_close_wakes_a_reader_of_a_line()
  equal(close_wakes(socket.readline), false)
end

function cases.LV21_close_wakes_a_reader_of_everything()
  equal(close_wakes(socket.readall), "")
end

function cases.LV21_close_wakes_a_blocked_coroutine()
  equal(close_wakes(socket.block), false)
end

function cases.LV35_close_wakes_a_coroutine_that_starts_the_socket()
  local done = harness.event()
  local port = harness.listen(function(id)
    skynet.fork(socket.close, id) -- Before the answer of the start can have come.
    done.set(socket.start(id))
  end)
  local client = assert(socket.open("127.0.0.1", port))
  local id, reason = done.await()
  equal(id, nil)
  equal(reason, "socket closed")
  equal(socket.read(client), false)
end

-- The reader gets a piece that was on its way when the close began, and comes back for more.
function cases.LV21_reader_loop_does_not_sleep_again_after_close()
  for _, read in ipairs { socket.read, socket.readline } do
    local client, server = harness.pair()
    local pieces = 0
    local reader = harness.spawn(function()
      while not socket.invalid(server) and read(server) do
        pieces = pieces + 1
      end
    end)
    skynet.yield()
    socket.write(client, "a\n")
    -- Without a pause, so that the message waits for us. Without workers it comes too late.
    for _ = 1, 1000 do
      if harness.info(server).read == 2 then
        break
      end
    end
    harness.spawn(socket.close, server).join()
    reader.join()
    assert(pieces <= 1)
    socket.close(client)
  end
end

function cases.second_concurrent_close_raises()
  local _, server = harness.pair()
  local first = harness.spawn(socket.close, server)
  local second = harness.spawn(harness.expect_error, "being closed", socket.close, server)
  first.join()
  second.join()
  socket.close(server) -- Now unknown: ignored.
end

function cases.close_of_an_unknown_id_is_ignored()
  socket.close(12345)
  socket.shutdown(12345)
  equal(socket.invalid(12345), true)
  equal(socket.disconnected(12345), nil)
end

function cases.close_sends_what_is_queued_first()
  local client, server = harness.pair()
  local sent = harness.bytes(8 * 1024 * 1024, 7)
  local reader = harness.spawn(socket.readall, server)
  equal(socket.write(client, sent), true)
  socket.close(client)
  assert(reader.join() == sent, "8 MiB arrived changed or cut")
end

function cases.write_to_a_closed_socket_is_false()
  local client = harness.pair()
  socket.close(client)
  equal(socket.write(client, "x"), false)
  equal(socket.lwrite(client, "x"), false)
end

function cases.write_takes_strings_numbers_and_tables()
  local client, server = harness.pair()
  socket.write(client, "a")
  socket.write(client, 12)
  socket.write(client, { "b", 3, 4.5, "", "c" })
  socket.write(client, {})
  socket.write(client, "")
  socket.write(client, "\n")
  equal(socket.readline(server), "a12b34.5c")
  for _, data in ipairs { true, { {} }, { "a", true }, print } do
    assert(not pcall(socket.write, client, data), "write took " .. tostring(data))
  end
  assert(not pcall(socket.write, client))
end

function cases.low_priority_data_arrives()
  local client, server = harness.pair()
  assert(socket.lwrite(client, "low\n"))
  equal(socket.readline(server), "low")
end

function cases.peer_that_closes_wakes_the_reader_and_the_id_stays_until_close()
  local client, server = harness.pair()
  local reader = harness.spawn(socket.read, server)
  skynet.yield()
  socket.close(client)
  equal(reader.join(), false)
  equal(socket.disconnected(server), true)
  equal(socket.invalid(server), false)
  socket.close(server)
  equal(socket.invalid(server), true)
end

function cases.shutdown_wakes_the_reader_and_keeps_what_was_received()
  local client, server = harness.pair()
  socket.write(client, "kept")
  assert(socket.block(server))
  local reader = harness.spawn(function()
    return socket.read(server, 100)
  end)
  skynet.yield()
  socket.shutdown(server)
  local data, rest = reader.join()
  equal(data, false)
  equal(rest, "kept")
  socket.close(server)
  assert(socket.invalid(server))
end

function cases.onclose_runs_before_the_reader_that_the_end_wakes()
  local client, server = harness.pair()
  local order = {}
  local reader = harness.spawn(function()
    socket.read(server)
    order[#order + 1] = "reader"
  end)
  socket.onclose(server, function()
    order[#order + 1] = "onclose"
  end)
  skynet.yield()
  socket.close(client)
  reader.join()
  equal(table.concat(order, " "), "onclose reader")
end

function cases.onclose_runs_once_whoever_closes()
  for _, close_here in ipairs { true, false } do
    local client, server = harness.pair()
    local closed = harness.event() -- Raises if it happens twice.
    socket.onclose(server, function(id)
      skynet.yield() -- It may suspend.
      closed.set(id)
    end)
    socket.close(close_here and server or client)
    equal(closed.await(), server)
    socket.close(server)
    socket.close(client)
    skynet.yield()
  end
end

function cases.many_connections_leave_nothing_behind()
  local port = harness.listen(harness.echo)
  local function burst()
    for i = 1, 100 do
      local id = assert(socket.open("127.0.0.1", port))
      socket.write(id, i .. "\n")
      equal(socket.readline(id), tostring(i))
      socket.close(id)
    end
    collectgarbage()
    collectgarbage()
    return collectgarbage "count"
  end
  burst()
  local before = burst()
  local after = burst()
  assert(after < before + 20, ("Lua heap grew from %.0f to %.0f KiB"):format(before, after))
end

function cases.port_is_free_when_close_comes_back()
  local port = harness.closed_port()
  for _ = 1, 50 do
    socket.close(assert(socket.listen("127.0.0.1", port)))
  end
end

function cases.start_of_a_listener_that_is_being_closed_does_not_strand_the_closer()
  local listener = assert(socket.listen("127.0.0.1", 0))
  local closer = harness.spawn(socket.close, listener)
  local starter = harness.spawn(socket.start, listener, function() end)
  local id, reason = starter.join()
  equal(id, nil)
  equal(reason, "socket closed")
  closer.join()
  assert(socket.invalid(listener))
end

function cases.close_in_a_close_variable_of_a_killed_coroutine_closes()
  local _, server = harness.pair()
  local co = skynet.fork(function()
    local _ <close> = setmetatable({}, { __close = function() socket.close(server) end })
    socket.read(server)
  end)
  skynet.sleep(1)
  equal(skynet.killthread(co), co)
  assert(socket.invalid(server), "its entry is still there")
  harness.await_state(server, "free")
end

function cases.socket_of_a_killed_reader_can_be_read_and_closed()
  for _, read in ipairs { socket.readall, socket.read } do
    local client, server = harness.pair()
    local co = skynet.fork(read, server)
    skynet.sleep(1)
    equal(skynet.killthread(co), co)
    socket.write(client, "abc")
    equal(socket.read(server, 3), "abc")
    socket.close(server)
    assert(socket.invalid(server))
  end
end

function cases.closer_goes_on_when_the_reader_before_it_is_killed()
  for _, read in ipairs { socket.readall, socket.read } do
    local _, server = harness.pair()
    local co = skynet.fork(read, server)
    skynet.sleep(1)
    local closer = harness.spawn(socket.close, server)
    skynet.fork(skynet.killthread, co)
    closer.join()
    assert(socket.invalid(server))
  end
end

function cases.killed_closer_leaves_no_entry()
  local _, server = harness.pair()
  local co = skynet.fork(socket.close, server)
  skynet.fork(skynet.killthread, co)
  skynet.sleep(1)
  assert(socket.invalid(server))
end

harness.run(cases, ...)
