-- A connection changes services in the middle of its stream; no byte is lost.
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local mode, id = ...

if mode == "agent" then
  id = tonumber(id)
  skynet.start(function()
    skynet.fork(function()
      socket.start(id)
      print("agent", socket.readline(id))
      print("agent", socket.readline(id))
      socket.write(id, "done\n")
      socket.close(id)
    end)
  end)
else
  skynet.start(function()
    local listen_id, _, port = socket.listen("127.0.0.1", 0)
    socket.start(listen_id, function(new_id)
      socket.start(new_id)
      print("login", socket.readline(new_id))
      socket.abandon(new_id)
      skynet.newservice(SERVICE_NAME, "agent", new_id)
    end)
    local client = socket.open("127.0.0.1", port)
    socket.write(client, "name\nbuffered\nla")
    skynet.sleep(2)
    socket.write(client, "te\n")
    print("client", socket.readline(client))
    skynet.abort()
  end)
end
