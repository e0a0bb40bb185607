--- Hears of every client from the gate: makes an agent when one comes, ends it when it goes.

local skynet = require "skynet"

local gate, room
local agents = {} -- fd -> agent

local on_socket = {}

function on_socket.open(fd, address)
  local agent = skynet.newservice "agent"
  agents[fd] = agent
  -- Nothing is read from the client before its agent asks the gate to forward it.
  skynet.call(agent, "lua", "start", { gate = gate, room = room, fd = fd, address = address })
end

local function close(fd)
  local agent = agents[fd]
  agents[fd] = nil
  if agent then
    skynet.call(gate, "lua", "kick", fd)
    skynet.send(agent, "lua", "disconnect")
  end
end

function on_socket.close(fd)
  close(fd)
end

function on_socket.error(fd, text)
  skynet.error(("client %d: %s"):format(fd, text))
  close(fd)
end

function on_socket.warning(fd, kbytes)
  if kbytes > 0 then
    skynet.error(("client %d reads slowly: %d KiB wait"):format(fd, kbytes))
  end
end

local commands = {}

function commands.start(conf)
  return skynet.call(gate, "lua", "open", conf)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, cmd, ...)
    if cmd == "socket" then
      local event = ...
      on_socket[event](select(2, ...))
    else
      skynet.retpack(commands[cmd](...))
    end
  end)
  room = skynet.newservice "room"
  gate = skynet.newservice "gate"
end)
