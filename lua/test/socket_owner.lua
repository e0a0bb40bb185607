-- A service that takes sockets over, for socket_services.lua: it is told by messages what to do.

local skynet = require "skynet.manager"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"

local commands = {}

--- Reads `n` bytes of `id` and gives it up; returns the bytes and whether the end has come.
function commands.read(id, n)
  assert(socket.start(id))
  local data, rest = socket.read(id, n)
  if data then
    socket.abandon(id)
  else
    socket.close(id)
  end
  return data or rest, not data
end

--- Reads a byte, gives the socket up and ends at once.
function commands.read_one_and_exit(id)
  local byte = commands.read(id, 1)
  skynet.retpack(byte)
  skynet.exit()
end

function commands.take(id)
  assert(socket.start(id))
end

--- Without an entry, which would close the socket by itself when the VM ends.
function commands.take_by_driver(id)
  assert(driver.start(id))
end

function commands.exit()
  skynet.exit()
end

function commands.kill_itself()
  skynet.kill(skynet.self())
end

--- Handles nothing for `time`, so that messages wait, then ends.
function commands.be_busy_then_exit(time)
  local ending = skynet.now() + time
  while skynet.now() < ending do
  end
  skynet.exit()
end

skynet.start(function()
  skynet.dispatch("lua", function(session, _, name, ...)
    if session == 0 then
      commands[name](...)
    else
      skynet.retpack(commands[name](...))
    end
  end)
end)
