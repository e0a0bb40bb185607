--- Serves one client: its frames come here from the gate, without a detour through the watchdog.

local skynet = require "skynet"
local queue = require "skynet.queue"
local socket = require "skynet.socket"

local gate, room, client
local in_order = queue() -- What a client asks is answered in its order, also when an answer takes a while.

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = skynet.tostring,
}

local function answer(text)
  socket.write(client, string.pack(">s2", text))
end

local client_commands = {
  ["/who"] = function()
    answer("here: " .. skynet.call(room, "lua", "who"))
  end,
  ["/quit"] = function()
    answer "bye"
    skynet.call(gate, "lua", "kick") -- What was written is sent first.
  end,
}

local function serve(text)
  local command = client_commands[text]
  if command then
    command()
  else
    skynet.call(room, "lua", "say", client, text)
  end
end

local commands = {}

function commands.start(conf)
  gate, room, client = conf.gate, conf.room, conf.fd
  skynet.call(gate, "lua", "forward", client)
  skynet.call(room, "lua", "join", client, conf.address)
  answer("welcome " .. conf.address)
end

function commands.disconnect()
  skynet.call(room, "lua", "leave", client)
  skynet.exit()
end

skynet.start(function()
  skynet.dispatch("client", function(_, _, text)
    skynet.ignoreret() -- The session is the fd, and nobody waits for an answer.
    in_order(serve, text)
  end)
  skynet.dispatch("lua", function(session, _, cmd, ...)
    local function reply(...)
      if session > 0 then
        skynet.retpack(...)
      end
    end
    reply(commands[cmd](...))
  end)
end)
