-- A gate of one's own on snax.gateserver.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"
require "skynet.manager"

local mode = ...

if mode == "gate" then
  local gateserver = require "snax.gateserver"
  local handler = {}
  function handler.open(_, conf)
    return conf.port
  end
  function handler.connect(fd)
    gateserver.openclient(fd)
    driver.send(fd, netpack.pack("welcome"))
  end
  function handler.message(fd, msg, size)
    driver.send(fd, netpack.pack(netpack.tostring(msg, size):upper()))
  end
  function handler.disconnect(fd)
    gateserver.closeclient(fd)
  end
  function handler.command(cmd, _, ...)
    return "command " .. cmd, ...
  end
  gateserver.start(handler)
else
  local socket = require "skynet.socket"
  skynet.start(function()
    local gate = skynet.newservice(SERVICE_NAME, "gate")
    local port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0 })
    print(skynet.call(gate, "lua", "anything", 1, 2))
    local id = socket.open("127.0.0.1", port)
    print(socket.read(id, 9):sub(3))
    socket.write(id, string.pack(">s2s2", "first", "second"))
    print(socket.read(id, 7):sub(3), socket.read(id, 8):sub(3))
    socket.close(id)
    skynet.abort()
  end)
end
