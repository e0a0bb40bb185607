-- Can a program handle socket messages itself, as some of skynet's do, with nothing but the driver?

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local DATA, CONNECT, CLOSE, ACCEPT, ERROR, UDP = 1, 2, 3, 4, 5, 6

--- Takes the place of skynet.socket. Returns wait(kind, id), which waits for the next such message
-- and returns ud, then text or the data as a string, then the address of a datagram.
local function take_messages()
  local waiting, token = {}, {}
  skynet.dispatch("socket", function(_, _, kind, id, ud, data, address)
    if kind == DATA or kind == UDP then
      local pool, buffer = {}, driver.buffer()
      equal(driver.push(buffer, pool, data, ud), ud)
      data = driver.readall(buffer, pool)
    end
    waiting[#waiting + 1] = { kind, id, ud, data, address }
    skynet.wakeup(token)
  end)
  return function(kind, id)
    while true do
      for i, message in ipairs(waiting) do
        if message[1] == kind and message[2] == id then
          return table.unpack(table.remove(waiting, i), 3, 5)
        end
      end
      skynet.wait(token)
    end
  end
end

local function listen(wait)
  local listener = assert(driver.listen("127.0.0.1", 0, 32))
  local port, address = wait(CONNECT, listener)
  equal(address, "127.0.0.1")
  equal(driver.start(listener), listener)
  equal(select(2, wait(CONNECT, listener)), "start")
  return listener, port
end

--- Both ends of a connection, started.
local function pair(wait)
  local listener, port = listen(wait)
  local client = assert(driver.connect("127.0.0.1", port))
  equal(select(2, wait(CONNECT, client)), "127.0.0.1")
  local server, peer = wait(ACCEPT, listener)
  assert(peer:find "^127%.0%.0%.1:%d+$")
  driver.start(server)
  equal(select(2, wait(CONNECT, server)), "start")
  return client, server
end

function cases.streams_are_opened_written_paused_and_closed_by_messages()
  local wait = take_messages()
  local client, server = pair(wait)
  driver.nodelay(client)
  equal(driver.send(client, driver.str2p "abc"), true)
  local size, data = wait(DATA, server)
  equal(size, 3)
  equal(data, "abc")
  driver.pause(server)
  harness.await_state(server, "connected_held")
  equal(driver.lsend(client, "low"), true)
  driver.start(server)
  equal(select(2, wait(CONNECT, server)), "transfer")
  equal(select(2, wait(DATA, server)), "low")
  driver.close(client)
  equal(wait(CLOSE, client), 0)
  equal(wait(CLOSE, server), 0)
  driver.close(server)
  harness.await_state(server, "free")
end

function cases.shutdown_is_a_close_without_the_rest()
  local wait = take_messages()
  local client, server = pair(wait)
  driver.shutdown(client)
  equal(wait(CLOSE, client), 0)
  equal(wait(CLOSE, server), 0)
  driver.shutdown(server)
  harness.await_state(server, "free")
end

function cases.what_fails_is_an_error_message()
  local port = harness.closed_port()
  local wait = take_messages()
  local id = assert(driver.connect("127.0.0.1:" .. port))
  local _, text = wait(ERROR, id)
  assert(text:find "refused", text)
  driver.start(12345)
  equal(select(2, wait(ERROR, 12345)), "invalid socket")
  local bound = assert(driver.bind(2 ^ 31 - 1))
  assert(#select(2, wait(ERROR, bound)) > 0)
  equal(driver.listen("192.0.2.1", 0), nil)
end

function cases.datagrams_carry_the_address_they_came_from()
  local wait = take_messages()
  local id = driver.udp_listen("127.0.0.1", 0)
  harness.await_state(id, "udp")
  local port = tonumber(harness.info(id).sock:match ":(%d+)$")
  local sender = driver.udp_dial("127.0.0.1", port)
  equal(driver.send(sender, "ping"), true)
  local size, data, address = wait(UDP, id)
  equal(size, 4)
  equal(data, "ping")
  equal(driver.udp_address(address), "127.0.0.1")
  equal(driver.udp_send(id, address, "pong"), true)
  equal(select(2, wait(UDP, sender)), "pong")
  local other = driver.udp()
  driver.udp_connect(other, "127.0.0.1", port)
  equal(driver.send(other, ""), true)
  equal(wait(UDP, id), 0)
end

function cases.buffers_read_as_skynets_do()
  local pool, buffer = {}, driver.buffer()
  driver.push(buffer, pool, driver.str2p "one\r\ntwo")
  equal(driver.readline(buffer, nil, "\r\n"), true)
  equal(driver.readline(buffer, pool, "\r\n"), "one")
  equal(driver.readline(buffer, nil, "\r\n"), false)
  equal(driver.readline(buffer, pool, "\r\n"), nil)
  local data, left = driver.pop(buffer, pool, 4)
  equal(data, nil)
  equal(left, 3)
  data, left = driver.pop(buffer, pool, 2)
  equal(data, "tw")
  equal(left, 1)
  equal(driver.push(buffer, pool, driver.str2p "!"), 2)
  equal(driver.readall(buffer, pool), "o!")
  driver.push(buffer, pool, driver.str2p "gone")
  driver.clear(buffer, pool)
  equal(driver.size(buffer), 0)
  driver.drop(driver.str2p "never pushed")
end

function cases.header_is_a_big_endian_number()
  equal(driver.header "\1\2", 258)
  equal(socket.header "\0\0\1\0", 256)
  for _, odd in ipairs { "", "12345", {} } do
    assert(not pcall(socket.header, odd))
  end
end

function cases.info_and_resolve_answer_at_once()
  local _, listener = harness.listen(print)
  local found
  for _, info in ipairs(driver.info()) do
    found = found or info.id == listener
  end
  equal(found, true)
  equal(#driver.resolve "127.0.0.1", 1)
end

-- Only the message that is being handled can be unpacked.
function cases.unpack_elsewhere_raises()
  harness.expect_error("no socket message", driver.unpack)
end

harness.run(cases, ...)
