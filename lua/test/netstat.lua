-- Does netstat list every socket with what skynet's programs look at, and do names have addresses?

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

--- type and state of `id` must become these.
local function expect(id, kind, state)
  harness.await_state(id, state)
  equal(harness.info(id).type, kind)
end

function cases.LV19_netstat_lists_listeners_before_and_after_start()
  local listener = assert(socket.listen("127.0.0.1", 0))
  expect(listener, "LISTEN", "plisten")
  assert(socket.start(listener, print))
  expect(listener, "LISTEN", "listening")
  socket.pause(listener)
  expect(listener, "LISTEN", "listening_held")
end

function cases.LV19_netstat_lists_an_accepted_connection_that_nobody_started()
  local accepted = harness.event()
  local port = harness.listen(accepted.set)
  local client = assert(socket.open("127.0.0.1", port))
  local id = accepted.await()
  expect(id, "TCP", "paccept")
  socket.close_fd(id)
  equal(socket.read(client), false)
  harness.await_state(id, "free")
end

function cases.LV19_netstat_lists_a_connect_under_way()
  local _, _, port = assert(socket.listen("127.0.0.1", 0, 1))
  for _ = 1, 2 do
    assert(socket.open("127.0.0.1", port))
  end
  local opener = harness.spawn(socket.open, "127.0.0.1", port, { connect_timeout = 100 })
  local id = harness.eventually(function()
    for _, info in ipairs(socket.netstat()) do
      if info.state == "connecting" then
        return info.id
      end
    end
  end)
  equal(harness.info(id).type, "TCP")
  socket.close(id)
  opener.join()
end

function cases.LV19_netstat_lists_half_closed_and_closing_connections()
  local client, server = harness.pair()
  socket.close(client)
  expect(server, "CLOSING", "halfclose_read")
  socket.close(server)
  harness.await_state(server, "free")
end

function cases.LV19_netstat_lists_bound_descriptors_and_datagram_sockets()
  local id = assert(socket.stdin())
  local info = harness.info(id)
  if info then -- Standard input of a test may have ended already.
    assert(info.type == "BIND" or info.type == "CLOSING", info.type)
  end
  expect(socket.udp(print), "UDP", "udp")
end

function cases.netstat_has_the_figures_of_a_connection()
  local client, server = harness.pair()
  socket.write(client, ("x"):rep(1000))
  equal(#socket.read(server, 1000), 1000)
  local info = harness.info(server)
  equal(info.address, skynet.self())
  equal(info.read, 1000)
  equal(info.write, 0)
  equal(info.wbuffer, 0)
  equal(info.wtime, 0)
  equal(info.reading, true)
  equal(info.writing, false)
  assert(info.rtime > 0 and skynet.now() - info.rtime <= 1000, "read at " .. info.rtime)
  equal(info.peer, harness.info(client).sock)
  equal(harness.info(client).write, 1000)
end

function cases.netstat_of_a_listener_counts_what_it_accepted()
  local port, listener = harness.listen(socket.start)
  for _ = 1, 3 do
    assert(socket.open("127.0.0.1", port))
  end
  harness.eventually(function()
    return harness.info(listener).accept == 3
  end)
  equal(harness.info(listener).sock, "127.0.0.1:" .. port)
end

function cases.netstat_counts_what_waits_to_be_sent()
  local client = harness.pair()
  socket.write(client, ("x"):rep(32 * 1024 * 1024))
  harness.eventually(function()
    return harness.info(client).writing
  end)
  assert(harness.info(client).wbuffer > 0)
end

function cases.names_resolve_to_addresses()
  equal(table.concat(socket.resolve "127.0.0.1", " "), "127.0.0.1")
  local found = {}
  for _, address in ipairs(socket.resolve "localhost") do
    assert(not found[address], "twice " .. address)
    found[address] = true
  end
  assert(found["127.0.0.1"] or found["::1"])
end

function cases.resolve_suspends_the_coroutine_only()
  local asker = harness.spawn(socket.resolve, "127.0.0.1")
  local seen = harness.event()
  skynet.fork(function()
    seen.set(asker.has_ended())
  end)
  equal(seen.await(), false)
  equal(asker.join()[1], "127.0.0.1")
  equal(driver.resolve("127.0.0.1")[1], "127.0.0.1") -- This one has waited.
end

function cases.name_without_address_raises()
  harness.expect_error("resolve", socket.resolve, "no-such-host.invalid")
  for _, odd in ipairs { "", "a\0b", {}, print } do
    assert(not pcall(socket.resolve, odd))
    assert(not pcall(driver.resolve, odd))
  end
end

harness.run(cases, ...)
