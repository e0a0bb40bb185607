--- Sends every datagram back, and does nothing else. Usage: datagram_echo.lua HOST PORT

local skynet = require "skynet"
local socket = require "skynet.socket"

local host, port = ...

skynet.start(function()
  local id
  id = socket.udp_listen(host, tonumber(port), function(data, from)
    socket.sendto(id, from, data)
  end)
end)
