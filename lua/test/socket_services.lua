-- Do sockets that several services share lose no byte, and is nothing left of a service that ends?

local core = require "skynet.core"
local skynet = require "skynet"
local socket = require "skynet.socket"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local MIB = 1024 * 1024

local function owners(count)
  local handles = {}
  for i = 1, count do
    handles[i] = skynet.newservice "socket_owner"
  end
  return handles
end

--- Connections end in a listener of this service and are not started; returns client, id.
local function unstarted()
  local accepted = harness.event()
  local port = harness.listen(accepted.set)
  local client = assert(socket.open("127.0.0.1", port))
  socket.warning(client, function() end)
  return client, accepted.await()
end

-- Every owner reads some bytes and gives the socket to the next one, while the peer sends.
function cases.stream_that_goes_from_service_to_service_loses_no_byte()
  local handles = owners(3)
  for seed = 1, 3 do
    local client, id = unstarted()
    local sent = harness.bytes(2 * MIB, seed)
    math.randomseed(seed)
    local writer = harness.spawn(function()
      local at = 1
      while at <= #sent do
        local n = math.random(30000)
        assert(socket.write(client, sent:sub(at, at + n - 1)))
        at = at + n
        skynet.yield()
      end
      socket.close(client)
    end)
    local at, turn, ended = 1, 0, false
    while not ended do
      local data
      turn = turn + 1
      data, ended = skynet.call(handles[turn % 3 + 1], "lua", "read", id, math.random(20000))
      assert(sent:sub(at, at + #data - 1) == data, "bytes differ behind offset " .. at)
      at = at + #data
    end
    equal(at, #sent + 1)
    writer.join()
  end
end

function cases.owner_that_exits_behind_its_abandon_loses_no_byte()
  local client, id = unstarted()
  local sent = harness.bytes(100, 1)
  socket.write(client, sent)
  for at = 1, 20 do
    local owner = skynet.newservice "socket_owner"
    equal(skynet.call(owner, "lua", "read_one_and_exit", id), sent:sub(at, at))
  end
  equal(socket.start(id), id)
  equal(socket.read(id, 80), sent:sub(21))
end

function cases.LV19_sockets_of_a_service_that_exits_or_is_killed_are_closed()
  for _, ending in ipairs { "exit", "kill_itself" } do
    for _, taking in ipairs { "take", "take_by_driver" } do
      local owner = skynet.newservice "socket_owner"
      local client, id = unstarted()
      skynet.call(owner, "lua", taking, id)
      skynet.send(owner, "lua", ending)
      equal(socket.read(client), false)
      socket.close(client)
      harness.await_state(id, "free")
    end
  end
end

-- ASan finds what would leak.
function cases.LV09_data_that_waits_for_a_service_that_ends_is_freed()
  for _ = 1, 10 do
    local owner = skynet.newservice "socket_owner"
    local client, id = unstarted()
    skynet.call(owner, "lua", "take", id)
    skynet.send(owner, "lua", "be_busy_then_exit", 3)
    socket.write(client, ("x"):rep(MIB))
    socket.close(client)
    harness.await_state(id, "free")
  end
  harness.eventually(function()
    return core.counts().payloads_parked == 0
  end)
end

function cases.start_in_another_service_moves_a_connection()
  local owner = skynet.newservice "socket_owner"
  local client, id = unstarted()
  equal(socket.start(id), id)
  socket.write(client, "kept here")
  equal(socket.read(id, 4), "kept")
  socket.abandon(id)
  local data, ended = skynet.call(owner, "lua", "read", id, 5)
  equal(data, " here")
  equal(ended, false)
  equal(harness.eventually(function()
    local info = harness.info(id)
    return info and info.state == "handed_over" and info.address
  end), owner)
end

harness.run(cases, ...)
