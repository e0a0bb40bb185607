-- What does each message of the server do to each kind of entry (SPEC: table of incoming messages)?
-- A case is named message_entry. Cells that the server's rules exclude are given by hand to what
-- handles messages, so that even they do no harm; DATA that no rule allows cannot be made here.

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local CONNECT, CLOSE, ACCEPT, ERROR, WARNING = 2, 3, 4, 5, 7
local NOBODY = 12345

local handle = skynet.dispatch("socket")

--- As if the server had said that.
local function say(kind, id, ud, text)
  handle(0, 0, kind, id, ud, text)
  skynet.yield() -- Callbacks run.
end

--- An accepted connection whose peer is `client`, not started.
local function unstarted()
  local accepted = harness.event()
  local port = harness.listen(accepted.set)
  local client = assert(socket.open("127.0.0.1", port))
  return accepted.await(), client
end

--- A started connection whose peer has finished.
local function down()
  local client, server = harness.pair()
  socket.close(client)
  equal(socket.read(server), false)
  return server
end

function cases.data_none_is_logged_and_freed()
  local id, client = unstarted()
  assert(driver.start(id))
  socket.write(client, ("x"):rep(1000))
  harness.eventually(function()
    return pcall(harness.expect_log, "socket " .. id .. ": data for nobody dropped")
  end)
  driver.close(id)
end

function cases.data_up_and_nobody_waits_is_kept()
  local client, server = harness.pair()
  socket.write(client, "abc")
  harness.eventually(function()
    return harness.info(server).read == 3
  end)
  equal(socket.read(server, 2), "ab")
  equal(socket.read(server), "c")
end

function cases.connect_none_is_ignored()
  say(CONNECT, NOBODY, 0, "start")
  equal(socket.invalid(NOBODY), true)
end

function cases.connect_opening_wakes_the_opener()
  local id, client = unstarted()
  equal(socket.start(id), id)
  equal(socket.disconnected(id), false)
  socket.write(client, "x")
  equal(socket.read(id), "x")
end

function cases.connect_up_is_ignored()
  local client, server = harness.pair()
  local reader = harness.spawn(socket.read, server, 3)
  skynet.yield()
  say(CONNECT, server, 0, "transfer")
  assert(not reader.has_ended())
  socket.write(client, "abc")
  equal(reader.join(), "abc")
end

function cases.connect_down_is_ignored()
  local id = down()
  say(CONNECT, id, 0, "transfer")
  equal(socket.disconnected(id), true)
  equal(socket.read(id), false)
end

function cases.connect_listener_has_its_address()
  local id, address, port = assert(socket.listen("127.0.0.1", 0))
  equal(address, "127.0.0.1")
  say(CONNECT, id, 1, "another")
  equal(harness.info(id).sock, "127.0.0.1:" .. port)
end

function cases.close_none_closes_what_the_peer_finished()
  local id, client = unstarted()
  assert(driver.start(id))
  local closed = harness.event()
  socket.onclose(id, closed.set)
  socket.close(client)
  equal(closed.await(), id)
  harness.await_state(id, "free")
end

function cases.close_none_that_answers_another_is_ignored()
  local client, server = harness.pair()
  socket.abandon(client)
  harness.await_state(client, "handed_over")
  say(CLOSE, client, 1)
  skynet.sleep(2)
  equal(harness.info(client).state, "handed_over")
  driver.close(client)
  equal(socket.read(server), false)
end

function cases.close_opening_is_the_openers_answer()
  local id = unstarted()
  local starter = harness.spawn(function()
    return socket.start(id)
  end)
  harness.spawn(function()
    driver.close(id)
    say(CLOSE, id, 0)
  end)
  local started, reason = starter.join()
  equal(started, nil)
  equal(reason, "socket closed")
end

function cases.close_up_wakes_the_reader()
  local client, server = harness.pair()
  local reader = harness.spawn(socket.read, server)
  socket.close(client)
  equal(reader.join(), false)
  equal(socket.disconnected(server), true)
end

function cases.close_down_is_ignored()
  local id = down()
  say(CLOSE, id, 0)
  equal(socket.disconnected(id), true)
  equal(socket.invalid(id), false)
end

function cases.close_listener_ends_it()
  local _, listener = harness.listen(print)
  driver.close(listener)
  harness.eventually(function()
    return socket.disconnected(listener)
  end)
  socket.close(listener)
end

function cases.accept_none_closes_the_connection()
  local listener, _, port = assert(socket.listen("127.0.0.1", 0))
  assert(driver.start(listener))
  local client = assert(socket.open("127.0.0.1", port))
  equal(socket.read(client), false)
end

function cases.accept_of_a_stream_closes_the_connection()
  local client = harness.pair()
  local id, other = unstarted()
  say(ACCEPT, client, id, "peer")
  equal(socket.read(other), false)
end

function cases.accept_listener_runs_its_callback()
  local id, client = unstarted()
  assert(socket.start(id))
  socket.write(client, "x")
  equal(socket.read(id), "x")
end

function cases.error_none_is_logged_and_ends_the_socket()
  assert(driver.start(NOBODY))
  harness.eventually(function()
    return pcall(harness.expect_log, "socket " .. NOBODY .. ": error: invalid socket")
  end)
  local id, client = unstarted()
  say(ERROR, id, 0, "planted")
  harness.expect_log("planted")
  equal(socket.read(client), false)
end

function cases.error_opening_is_the_openers_reason()
  local id, reason = socket.open("127.0.0.1", harness.closed_port())
  equal(id, nil)
  assert(reason:find("refused"), reason)
end

function cases.error_up_is_logged_and_the_close_behind_it_wakes_the_reader()
  local client, server = harness.pair()
  socket.pause(client)
  harness.await_state(client, "connected_held")
  socket.write(server, "not read: its end resets the connection")
  skynet.sleep(2)
  local reader = harness.spawn(socket.read, server)
  socket.shutdown(client)
  equal(reader.join(), false)
  equal(socket.disconnected(server), true)
  harness.expect_log("socket " .. server .. ": error: .*reset")
end

function cases.error_down_is_logged()
  local id = down()
  say(ERROR, id, 0, "planted")
  harness.expect_log("planted")
  equal(socket.disconnected(id), true)
end

function cases.error_listener_is_logged_and_it_goes_on()
  local port, listener = harness.listen(socket.start)
  say(ERROR, listener, 0, "planted")
  harness.expect_log("planted")
  assert(socket.open("127.0.0.1", port))
end

function cases.udp_none_is_logged_and_freed()
  local id = driver.udp_listen("127.0.0.1", 0)
  local sock = harness.eventually(function()
    local info = harness.info(id)
    return info and info.sock
  end)
  socket.write(socket.udp_dial(sock, nil, print), "freed")
  harness.eventually(function()
    return pcall(harness.expect_log, "datagram for nobody dropped")
  end)
end

function cases.warning_none_is_ignored()
  say(WARNING, NOBODY, 1024)
end

function cases.warning_up_is_told()
  local _, server = harness.pair()
  local warned = harness.event()
  socket.warning(server, function(id, kib)
    warned.set(id, kib)
  end)
  say(WARNING, server, 1024)
  local id, kib = warned.await()
  equal(id, server)
  equal(kib, 1024)
end

function cases.warning_without_callback_is_logged_but_its_end_is_not()
  local client = harness.pair()
  socket.warning(client, nil)
  say(WARNING, client, 1024)
  harness.expect_log("1024 KiB wait to be sent")
  say(WARNING, client, 0)
end

function cases.messages_of_kinds_that_are_unknown_are_ignored()
  say(99, NOBODY, 0)
end

harness.run(cases, ...)
