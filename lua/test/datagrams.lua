-- Do datagram sockets send and receive as skynet's do, and does what makes no sense for them fail
-- where it is asked for?

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local function port_of(id)
  local info = harness.eventually(function()
    local info = harness.info(id)
    return info and info.sock and info
  end)
  return math.tointeger(tonumber(info.sock:match(":(%d+)$")))
end

--- A datagram socket that sends everything back; returns its port and id.
local function echo(host)
  local id
  id = socket.udp_listen(host or "127.0.0.1", 0, function(data, address)
    socket.sendto(id, address, data)
  end)
  return port_of(id), id
end

--- A callback, and a function that waits for the next datagram: data, address.
local function inbox()
  local waiting, token = {}, {}
  local function callback(data, address)
    waiting[#waiting + 1] = { data, address }
    skynet.wakeup(token)
  end
  return callback, function()
    while #waiting == 0 do
      skynet.wait(token)
    end
    return table.unpack(table.remove(waiting, 1))
  end
end

function cases.datagrams_come_back_with_their_address()
  local port = echo()
  local callback, next_one = inbox()
  local id = socket.udp(callback, "127.0.0.1", 0)
  socket.udp_connect(id, "127.0.0.1", port)
  for _, data in ipairs { "hello", "", ("x"):rep(60000), "\0" } do
    equal(socket.write(id, data), true)
    local got, address = next_one()
    assert(got == data, "datagram of " .. #data .. " bytes came back changed")
    local host, from = socket.udp_address(address)
    equal(host, "127.0.0.1")
    equal(from, port)
  end
end

function cases.unbound_socket_is_bound_by_its_first_send()
  local port = echo()
  local callback, next_one = inbox()
  local id = socket.udp(callback)
  socket.udp_connect(id, "127.0.0.1:" .. port)
  socket.write(id, "ping")
  equal(next_one(), "ping")
end

function cases.dialled_socket_writes_to_its_address()
  local port = echo()
  local callback, next_one = inbox()
  local id = socket.udp_dial("127.0.0.1", port, callback)
  socket.write(id, { "ping", 1 })
  equal(next_one(), "ping1")
  socket.lwrite(id, driver.str2p("low"))
  equal(next_one(), "low")
end

function cases.ipv6_has_addresses_of_its_own()
  local ok, port = pcall(echo, "::1")
  if not ok then
    return -- The machine has no IPv6.
  end
  local callback, next_one = inbox()
  local id = socket.udp_dial("[::1]:" .. port, nil, callback)
  socket.write(id, "six")
  local data, address = next_one()
  equal(data, "six")
  local host, from = socket.udp_address(address)
  equal(host, "::1")
  equal(from, port)
  harness.expect_error("udp_connect: ", socket.udp_connect, id, "127.0.0.1", port)
end

function cases.udp_connect_replaces_address_and_callback()
  local first, second = echo(), echo()
  local old, next_old = inbox()
  local new, next_new = inbox()
  local id = socket.udp_dial("127.0.0.1", first, old)
  socket.write(id, "one")
  equal(next_old(), "one")
  socket.udp_connect(id, "127.0.0.1", second, new)
  socket.write(id, "two")
  local data, address = next_new()
  equal(data, "two")
  equal(select(2, socket.udp_address(address)), second)
end

function cases.udp_connect_of_an_id_made_by_the_driver_takes_it_in()
  local port = echo()
  local callback, next_one = inbox()
  local id = driver.udp()
  equal(socket.invalid(id), true)
  socket.udp_connect(id, "127.0.0.1", port, callback)
  equal(socket.invalid(id), false)
  socket.write(id, "taken in")
  equal(next_one(), "taken in")
end

function cases.callback_may_suspend_and_an_error_in_it_is_only_logged()
  local port = echo()
  local gate, served = harness.event(), harness.event()
  local count = 0
  local id = socket.udp_dial("127.0.0.1", port, function()
    count = count + 1
    if count == 1 then
      gate.await()
      error "planted"
    elseif count == 2 then
      served.set()
    end
  end)
  socket.write(id, tostring(id)) -- Not taken for the id of a connection to close.
  socket.write(id, "2")
  served.await() -- While the first one waits.
  gate.set()
  skynet.yield()
  harness.expect_log("datagrams.lua:%d+: planted")
  skynet.yield()
  equal(socket.disconnected(id), false)
  socket.write(id, "3")
  harness.eventually(function()
    return count == 3
  end)
end

function cases.what_cannot_be_made_raises()
  harness.expect_error("assign", socket.udp_listen, "192.0.2.1", 0, print)
  harness.expect_error("assign", socket.udp, print, "192.0.2.1", 0)
  for _, port in ipairs { -1, 65536, 1.5, "x" } do
    harness.expect_error("bad argument", socket.udp_dial, "127.0.0.1", port, print)
  end
  harness.expect_error("bad argument", socket.udp_dial, "127.0.0.1", nil, print)
  harness.expect_error("udp_connect: ", socket.udp_connect, 12345, "127.0.0.1", 80)
end

function cases.address_that_is_none_is_refused()
  local port, id = echo()
  local short, unknown = "\1\0\80\127\0\0", "\3\0\80\127\0\0\1"
  for _, address in ipairs { "", "x", short, unknown, "\2\0\80\127\0\0\1" } do
    local sent, reason = socket.sendto(id, address, driver.str2p("freed"))
    equal(sent, false)
    equal(reason, "invalid address")
    assert(not pcall(socket.udp_address, address))
  end
  local other = "\2\0\80" .. ("\0"):rep(15) .. "\1"
  local sent, reason = socket.sendto(id, other, "an IPv6 address")
  equal(sent, false)
  equal(reason, "wrong address family")
  assert(port > 0)
end

function cases.write_without_a_destination_is_refused()
  local id = socket.udp(print)
  local sent, reason = socket.write(id, "to nobody")
  equal(sent, false)
  equal(reason, "no destination")
end

function cases.stream_and_datagram_socket_are_not_taken_for_each_other()
  local client = harness.pair()
  local _, id = echo()
  for _, read in ipairs { socket.read, socket.readline, socket.readall, socket.limit } do
    harness.expect_error("datagram socket", read, id)
  end
  equal(socket.block(id), false)
  local sent, reason = socket.sendto(client, "\1\0\80\127\0\0\1", "x")
  equal(sent, false)
  equal(reason, "not a datagram socket")
  harness.expect_error("not a datagram socket", socket.udp_connect, client, "127.0.0.1", 80)
  harness.expect_error("not closed", socket.start, id, print)
end

function cases.close_waits_and_the_id_is_gone()
  local _, id = echo()
  local closed = harness.event()
  socket.onclose(id, closed.set)
  equal(socket.disconnected(id), false)
  socket.close(id)
  equal(socket.invalid(id), true)
  equal(closed.await(), id)
  equal(harness.info(id), nil)
  equal(socket.write(id, "x"), false)
end

function cases.peer_that_is_not_there_is_logged_and_the_socket_lives()
  local port, gone = echo()
  socket.close(gone)
  local callback, next_one = inbox()
  local id = socket.udp_dial("127.0.0.1", port, callback)
  socket.write(id, "to nobody")
  harness.eventually(function()
    return pcall(harness.expect_log, "socket " .. id .. ": error: .*refused")
  end)
  equal(socket.disconnected(id), false)
  socket.udp_connect(id, "127.0.0.1", (echo()))
  socket.write(id, "alive")
  equal(next_one(), "alive")
end

function cases.datagram_for_an_id_without_callback_is_logged_and_freed()
  local id = socket.udp_listen("127.0.0.1", 0)
  local sender = socket.udp_dial("127.0.0.1", port_of(id))
  socket.write(sender, "freed")
  harness.eventually(function()
    return pcall(harness.expect_log, "datagram for nobody dropped")
  end)
end

function cases.abandoned_datagram_socket_waits_for_its_next_owner()
  local id = socket.udp_listen("127.0.0.1", 0, print)
  local port = port_of(id)
  socket.abandon(id)
  harness.await_state(id, "udp_held")
  local sender = socket.udp_dial("127.0.0.1", port, print)
  socket.write(sender, "meanwhile")
  local callback, next_one = inbox()
  equal(socket.start(id, callback), id)
  equal(next_one(), "meanwhile")
end

harness.run(cases, ...)
