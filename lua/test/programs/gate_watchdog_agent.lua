-- Gate, watchdog and agent: the client's frames reach its agent, answers go to the socket.
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local mode = ...

local function agent()
  local fd
  skynet.register_protocol {
    name = "client",
    id = skynet.PTYPE_CLIENT,
    unpack = skynet.tostring,
    dispatch = function(session, _, text)
      assert(session == fd)
      skynet.ignoreret()
      socket.write(fd, string.pack(">s2", "agent heard " .. text))
    end,
  }
  local command = {}
  function command.start(gate, client)
    fd = client
    skynet.call(gate, "lua", "forward", fd)
  end
  function command.disconnect()
    skynet.exit()
  end
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, cmd, ...)
      skynet.ret(skynet.pack(command[cmd](...)))
    end)
  end)
end

local function watchdog()
  local gate
  local agents = {}
  local on = {}
  function on.open(fd)
    agents[fd] = skynet.newservice(SERVICE_NAME, "agent")
    skynet.call(agents[fd], "lua", "start", gate, fd)
  end
  function on.close(fd)
    print "watchdog hears close"
    skynet.call(gate, "lua", "kick", fd)
    skynet.send(agents[fd], "lua", "disconnect")
    agents[fd] = nil
  end
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, cmd, event, ...)
      if cmd == "socket" then
        on[event](...)
      else
        skynet.ret(skynet.pack(skynet.call(gate, "lua", "open", event)))
      end
    end)
    gate = skynet.newservice "gate"
  end)
end

local function client(port)
  local id = socket.open("127.0.0.1", port)
  for _, text in ipairs { "one", "two" } do
    socket.write(id, string.pack(">s2", text))
    local size = string.unpack(">I2", socket.read(id, 2))
    print(socket.read(id, size))
  end
  socket.close(id)
end

if mode == "agent" then
  agent()
elseif mode == "watchdog" then
  watchdog()
else
  skynet.start(function()
    local dog = skynet.newservice(SERVICE_NAME, "watchdog")
    local _, port = skynet.call(dog, "lua", "start", {
      address = "127.0.0.1",
      port = 0,
      maxclient = 8,
      nodelay = true,
    })
    client(port)
    skynet.sleep(10)
    skynet.abort()
  end)
end
