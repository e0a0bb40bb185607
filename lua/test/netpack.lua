-- Does a service that takes socket messages itself, through skynet.netpack, get every frame of a
-- stream? (How streams are cut is tested by netpack_test.cpp and its fuzzer, gates by gates.lua.)

local skynet = require "skynet"
local socket = require "skynet.socket"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local SERVER = [[
  local driver = require "skynet.socketdriver"
  netpack, frames = require "skynet.netpack", {}
  local function take(_, msg, size)
    frames[#frames + 1] = netpack.tostring(msg, size)
  end
  local handlers = {
    data = take,
    more = function()
      local fd, msg, size = netpack.pop(queue)
      while fd do
        take(fd, msg, size)
        fd, msg, size = netpack.pop(queue)
      end
    end,
    init = function(_, _, bound)
      port = bound
    end,
    open = driver.start,
    close = driver.close,
  }
  skynet.register_protocol {
    name = "socket",
    id = skynet.PTYPE_SOCKET,
    unpack = function(msg, size)
      return netpack.filter(queue, msg, size)
    end,
    dispatch = function(_, _, its_queue, kind, ...)
      queue = its_queue
      partial = kind == nil
      if kind then
        handlers[kind](...)
      end
    end,
  }
  listener = driver.listen("127.0.0.1", 0)]]

function cases.frames_reach_a_service_that_filters_its_own_messages()
  local server = skynet.newservice "runner"
  local function run(code)
    return skynet.call(server, "lua", "run", code)
  end
  run(SERVER)
  local port
  repeat
    port = run "return port"
  until port
  run "require 'skynet.socketdriver'.start(listener)"
  local id = assert(socket.open("127.0.0.1", port))
  local stream = {}
  for i = 1, 200 do
    stream[i] = string.pack(">s2", ("x"):rep(i * 7 % 50) .. i)
  end
  local bytes = table.concat(stream)
  for at = 1, #bytes, 37 do -- In parts that are no frames.
    assert(socket.write(id, bytes:sub(at, at + 36)))
    if at % 5 == 0 then
      skynet.yield()
    end
  end
  repeat
    local count = run "return #frames"
  until count == 200
  for i, frame in ipairs(run "return frames") do
    equal(frame, ("x"):rep(i * 7 % 50) .. i)
  end
  assert(socket.write(id, "\0\9half")) -- A frame that never ends.
  repeat
    skynet.yield()
  until run "return partial"
  run "netpack.clear(queue)"
  assert(socket.write(id, "\0\2ok")) -- Not the end of that one.
  repeat
    skynet.yield()
  until run "return frames[201]" == "ok"
  socket.close(id)
end

harness.run(cases, ...)
