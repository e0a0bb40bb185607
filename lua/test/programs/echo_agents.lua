-- A listener hands every accepted connection to an agent, which is the same script.
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local mode, id = ...

if mode == "agent" then
  id = tonumber(id)
  skynet.start(function()
    skynet.fork(function()
      socket.start(id)
      local line = socket.readline(id)
      while line do
        socket.write(id, line:upper() .. "\n")
        line = socket.readline(id)
      end
      socket.close(id)
      skynet.exit()
    end)
  end)
else
  skynet.start(function()
    local listen_id, _, port = socket.listen("127.0.0.1:0")
    socket.start(listen_id, function(new_id)
      skynet.newservice(SERVICE_NAME, "agent", new_id)
    end)
    for i = 1, 3 do
      local client = socket.open("127.0.0.1", port)
      socket.write(client, "client " .. i .. "\n")
      print(socket.readline(client))
      socket.close(client)
    end
    skynet.abort()
  end)
end
