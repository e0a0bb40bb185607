--- The room: knows who is there and writes to all of them directly.

local skynet = require "skynet"
local socket = require "skynet.socket"

local names = {} -- fd -> name

local function tell_all(text)
  local frame = string.pack(">s2", text:sub(1, 65535))
  for fd in pairs(names) do
    socket.write(fd, frame) -- A client that is gone takes nothing.
  end
end

local commands = {}

function commands.join(fd, name)
  names[fd] = name
end

function commands.leave(fd)
  names[fd] = nil
end

function commands.say(fd, text)
  local name = names[fd]
  if name then
    tell_all(name .. ": " .. text)
  end
end

function commands.who()
  local here = {}
  for _, name in pairs(names) do
    here[#here + 1] = name
  end
  table.sort(here)
  return table.concat(here, " ")
end

skynet.start(function()
  skynet.dispatch("lua", function(session, _, cmd, ...)
    if session > 0 then
      skynet.retpack(commands[cmd](...))
    else
      commands[cmd](...)
    end
  end)
end)
