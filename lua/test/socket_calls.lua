-- What does each call do on an id that is unknown, being opened, up, or ended (SPEC: table of the
-- API)? A case is named call_state. What is up is mostly in read.lua, close.lua and open.lua.

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local NOBODY = 12345

--- Calls `f(id)` while the start of `id` has not been answered. Returns what join() gives of the
-- start and of `f`, and the peer.
local function while_opening(f)
  local accepted = harness.event()
  local port = harness.listen(accepted.set)
  local client = assert(socket.open("127.0.0.1", port))
  local id = accepted.await()
  local starter = harness.spawn(function()
    return socket.start(id)
  end)
  local caller = harness.spawn(function()
    assert(not starter.has_ended())
    return f(id)
  end)
  return starter, caller, client
end

--- A connection whose peer sent `data` and finished.
local function down(data)
  local client, server = harness.pair()
  if data then
    socket.write(client, data)
  end
  socket.close(client)
  harness.eventually(function()
    return socket.disconnected(server)
  end)
  return server
end

local function expect_two(first, second, ...)
  local a, b = ...
  equal(a, first)
  equal(b, second)
end

-- The opener is the one coroutine that may wait.
function cases.every_read_opening_raises_because_the_opener_waits()
  for _, read in ipairs { socket.read, socket.readline, socket.readall } do
    local starter, reader = while_opening(function(id)
      harness.expect_error("another coroutine", read, id)
      harness.expect_error("another coroutine", socket.read, id, 1)
      equal(socket.read(id, 0), "")
    end)
    reader.join()
    starter.join()
  end
end

function cases.read_down_gives_the_rest_then_false()
  local id = down "abc"
  equal(socket.read(id), "abc")
  expect_two(false, "", socket.read(id))
end

function cases.sized_read_down_gives_what_is_there_or_false_and_the_rest()
  local id = down "abcde"
  equal(socket.read(id, 3), "abc")
  expect_two(false, "de", socket.read(id, 3))
  expect_two(false, "", socket.read(id, 3))
  equal(socket.read(id, 0), "")
end

function cases.readall_down_gives_the_rest_then_false()
  local id = down "abc"
  equal(socket.readall(id), "abc")
  equal(socket.readall(id), false)
end

function cases.readline_down_gives_lines_then_false_and_the_rest()
  local id = down "one\ntwo"
  equal(socket.readline(id), "one")
  expect_two(false, "two", socket.readline(id))
  expect_two(false, "", socket.readline(id))
end

function cases.block_none_opening_and_down_is_false()
  equal(socket.block(NOBODY), false)
  local _, caller = while_opening(socket.block)
  equal(caller.join(), false)
  equal(socket.block(down "data"), false)
end

function cases.write_opening_is_sent_once_it_is_up()
  local starter, caller, client = while_opening(function(id)
    return socket.write(id, "early")
  end)
  starter.join()
  -- The server takes it from the moment that the start is carried out.
  if caller.join() then
    equal(socket.read(client), "early")
  end
end

function cases.write_none_is_false()
  equal(socket.write(NOBODY, "x"), false)
  equal(socket.lwrite(NOBODY, "x"), false)
end

function cases.write_down_is_still_sent()
  local client, server = harness.pair()
  local answer = harness.spawn(function()
    return socket.readall(server) -- Until the client has finished.
  end)
  socket.write(client, "question")
  socket.abandon(client) -- Its FIN is all that we need: the driver closes below.
  driver.close(client)
  equal(answer.join(), "question")
  equal(socket.write(server, "answer"), true)
  socket.close(server)
end

function cases.close_opening_wakes_the_opener()
  local starter, closer = while_opening(socket.close)
  closer.join()
  expect_two(nil, "socket closed", starter.join())
end

function cases.close_down_returns_at_once()
  local id = down "not read"
  socket.close(id)
  equal(socket.invalid(id), true)
  harness.await_state(id, "free")
end

function cases.shutdown_opening_is_the_openers_answer()
  local starter, caller, client = while_opening(socket.shutdown)
  caller.join()
  local id = starter.join()
  if id then -- Its OPEN came first.
    equal(socket.read(id), false)
  end
  equal(socket.read(client), false)
end

function cases.shutdown_down_leaves_the_rest_readable()
  local id = down "rest"
  socket.shutdown(id)
  equal(socket.read(id), "rest")
  harness.await_state(id, "free")
  socket.close(id)
  equal(socket.invalid(id), true)
end

function cases.close_fd_none_closes_what_was_accepted()
  local accepted = harness.event()
  local port = harness.listen(accepted.set)
  local client = assert(socket.open("127.0.0.1", port))
  socket.close_fd(accepted.await())
  equal(socket.read(client), false)
  socket.close_fd(NOBODY)
end

function cases.close_fd_of_an_entry_raises()
  local _, caller = while_opening(function(id)
    harness.expect_error("use socket.close", socket.close_fd, id)
  end)
  caller.join()
  harness.expect_error("use socket.close", socket.close_fd, harness.pair())
  harness.expect_error("use socket.close", socket.close_fd, down())
end

function cases.abandon_none_is_ignored()
  socket.abandon(NOBODY)
end

function cases.abandon_opening_wakes_the_opener()
  local starter, caller = while_opening(socket.abandon)
  caller.join()
  expect_two(nil, "socket abandoned", starter.join())
end

function cases.abandon_up_wakes_the_reader_and_drops_onclose()
  local client, server = harness.pair()
  socket.onclose(server, function()
    error "onclose of an abandoned socket"
  end)
  local reader = harness.spawn(function()
    return socket.read(server, 10)
  end)
  skynet.yield()
  socket.abandon(server)
  expect_two(false, "", reader.join())
  equal(socket.invalid(server), true)
  harness.await_state(server, "handed_over")
  driver.close(server)
  equal(socket.read(client), false)
end

function cases.pause_none_and_down_do_nothing()
  socket.pause(NOBODY)
  local id = down "data"
  socket.pause(id)
  equal(socket.read(id), "data")
  expect_two(false, "", socket.read(id))
end

function cases.onclose_none_runs_for_a_close_that_comes()
  local closed = harness.event()
  socket.onclose(NOBODY, closed.set)
  skynet.dispatch("socket")(0, 0, 3, NOBODY, 1)
  equal(closed.await(), NOBODY)
end

function cases.onclose_can_be_taken_back()
  local client, server = harness.pair()
  socket.onclose(server, function()
    error "taken back"
  end)
  socket.onclose(server, nil)
  socket.close(client)
  socket.close(server)
end

function cases.start_of_an_id_with_an_onclose_callback_raises()
  socket.onclose(NOBODY, print)
  harness.expect_error("onclose callback", socket.start, NOBODY)
end

function cases.start_opening_and_down_raises()
  local _, caller = while_opening(function(id)
    harness.expect_error("not closed", socket.start, id)
  end)
  caller.join()
  harness.expect_error("not closed", socket.start, down())
end

function cases.start_replaces_the_callback_of_a_listener()
  local first, second = harness.event(), harness.event()
  local port, listener = harness.listen(first.set)
  local one = assert(socket.open("127.0.0.1", port))
  socket.close_fd(first.await())
  equal(socket.start(listener, second.set), listener)
  local other = assert(socket.open("127.0.0.1", port))
  socket.close_fd(second.await())
  equal(socket.read(one), false)
  equal(socket.read(other), false)
end

function cases.invalid_and_disconnected_in_every_state()
  expect_two(true, nil, socket.invalid(NOBODY), socket.disconnected(NOBODY))
  local _, caller = while_opening(function(id)
    expect_two(false, false, socket.invalid(id), socket.disconnected(id))
  end)
  caller.join()
  local client = harness.pair()
  expect_two(false, false, socket.invalid(client), socket.disconnected(client))
  local id = down()
  expect_two(false, true, socket.invalid(id), socket.disconnected(id))
end

function cases.bind_of_an_impossible_descriptor_raises_or_says_why()
  for _, odd in ipairs { -1, 1 << 31, 1 << 40, 1.5, "x" } do
    assert(not pcall(socket.bind, odd), "bind took " .. tostring(odd))
  end
  local id, reason = socket.bind(2 ^ 31 - 1)
  equal(id, nil)
  assert(#reason > 0)
end

harness.run(cases, ...)
