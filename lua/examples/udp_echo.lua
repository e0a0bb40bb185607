--- UDP echo server: sends every datagram back to where it came from.
-- Usage: skysock lua/examples/udp_echo.lua HOST PORT   (PORT 0: any free port, see the printed line)

local skynet = require "skynet"
local socket = require "skynet.socket"

local host, port = ...

-- The address that the kernel gave, which netstat knows.
local function bound_address(id)
  for _, info in ipairs(socket.netstat()) do
    if info.id == id then
      return info.sock
    end
  end
end

skynet.start(function()
  local id
  id = socket.udp_listen(host, tonumber(port), function(data, from)
    socket.sendto(id, from, data)
  end)
  skynet.yield() -- Without workers the server is asked to make it when we wait.
  print("listening on " .. bound_address(id))
  io.stdout:flush()
end)
