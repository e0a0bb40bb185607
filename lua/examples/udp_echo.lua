--- UDP echo server: sends every datagram back to where it came from.
-- Usage: skysock lua/examples/udp_echo.lua HOST PORT   (PORT 0: any free port, see the printed line)

local command_line = require "command_line"
local skynet = require "skynet"
local socket = require "skynet.socket"

local host, port = command_line.address("udp_echo.lua HOST PORT", 0, ...)

-- The address that the kernel gave, which netstat knows once the server has made the socket.
local function bound_address(id)
  while true do
    for _, info in ipairs(socket.netstat()) do
      if info.id == id then
        return info.sock
      end
    end
    skynet.sleep(1)
  end
end

skynet.start(function()
  local id, made
  made, id = pcall(socket.udp_listen, host, port, function(data, from)
    socket.sendto(id, from, data)
  end)
  if not made then
    command_line.fail(("cannot listen on %s:%d: %s"):format(host, port, id:match "udp_listen: (.*)"))
  end
  command_line.listening(bound_address(id))
end)
