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

local function is_recent(time)
  return math.type(time) == "integer" and time > 0 and time <= skynet.now() and skynet.now() - time < 1000
end

local function difference(info, wanted)
  for field, value in pairs(wanted) do
    local got = info[field]
    if field == "rtime" or field == "wtime" then
      value, got = value or 0, is_recent(got) or got
    end
    if got ~= value then
      return ("%s: %s expected, got %s"):format(field, value, got)
    end
  end
  for field in pairs(info) do
    if wanted[field] == nil then
      return "undocumented field " .. field
    end
  end
end

--- netstat has to say exactly this of `id`, soon: figures and poller follow what happens. Times: true:
-- in the last seconds, false: never.
local function expect_all(id, wanted)
  wanted.id, wanted.address = id, skynet.self()
  local problem
  for _ = 1, 200 do
    problem = difference(harness.info(id), wanted)
    if problem == nil then
      return
    end
    skynet.sleep(1)
  end
  error(problem, 2)
end

function cases.netstat_has_every_field_of_each_kind_of_socket()
  skynet.sleep(2) -- Or now() could be 0, which is never.
  local accepted = harness.event()
  local port, listener = harness.listen(function(id)
    assert(socket.start(id))
    accepted.set(id)
  end)
  local here = "127.0.0.1:" .. port
  local none = { type = "LISTEN", state = "listening", accept = 0, reading = true, rtime = false, sock = here }
  expect_all(listener, none)
  local client = assert(socket.open(here))
  local server = accepted.await()
  none.accept, none.rtime = 1, true
  expect_all(listener, none)
  local there = harness.info(client).sock
  assert(there:find "^127%.0%.0%.1:%d+$" and there ~= here, there)
  socket.write(client, "12345")
  equal(socket.read(server), "12345")
  expect_all(client, {
    type = "TCP", state = "connected", read = 0, write = 5, wbuffer = 0, reading = true, writing = false,
    rtime = false, wtime = true, sock = there, peer = here,
  })
  socket.write(server, "123")
  equal(socket.read(client), "123")
  expect_all(server, {
    type = "TCP", state = "connected", read = 5, write = 3, wbuffer = 0, reading = true, writing = false,
    rtime = true, wtime = true, sock = here, peer = there,
  })
end

function cases.netstat_has_every_field_of_a_datagram_socket()
  skynet.sleep(2)
  local received = harness.event()
  local id = socket.udp_listen("127.0.0.1", 0, received.set)
  harness.await_state(id, "udp")
  local here = harness.info(id).sock
  local known = {
    type = "UDP", state = "udp", read = 0, write = 0, wbuffer = 0, reading = true, writing = false,
    rtime = false, wtime = false, sock = here,
  }
  expect_all(id, known)
  local sender = socket.udp_dial(here, nil, function() end)
  socket.write(sender, "1234567")
  local _, address = received.await()
  known.read, known.rtime = 7, true
  expect_all(id, known)
  assert(socket.sendto(id, address, "12"))
  harness.eventually(function()
    return harness.info(id).write > 0 and harness.info(sender).read > 0
  end)
  known.write, known.wtime = 2, true
  expect_all(id, known)
  expect_all(sender, {
    type = "UDP", state = "udp", read = 2, write = 7, wbuffer = 0, reading = true, writing = false,
    rtime = true, wtime = true, peer = here,
    sock = "0.0.0.0:" .. select(2, socket.udp_address(address)), -- Nobody bound it to one address.
  })
end

function cases.netstat_says_which_service_owns_a_socket()
  local runner = skynet.newservice "runner"
  local id = skynet.call(runner, "lua", "run", [[return (require "skynet.socket".listen("127.0.0.1", 0))]])
  equal(harness.info(id).address, runner)
  assert(runner ~= skynet.self())
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
