-- Datagrams there and back.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local server
  server = socket.udp(function(str, from)
    socket.sendto(server, from, "echo " .. str)
  end, "127.0.0.1", 0)
  local port
  for _, info in ipairs(socket.netstat()) do
    if info.id == server then
      port = tonumber(info.sock:match ":(%d+)$")
    end
  end
  local got = 0
  local client
  client = socket.udp(function(str, from)
    local host = socket.udp_address(from)
    print(str, host)
    got = got + 1
    if got < 3 then
      socket.write(client, "datagram " .. got + 1)
    else
      skynet.exit()
    end
  end)
  socket.udp_connect(client, "127.0.0.1", port)
  socket.write(client, "datagram 1")
end)
