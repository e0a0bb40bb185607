--- Sends each WORD as a line and prints the lines that come back.
-- Usage: skysock lua/examples/client.lua HOST PORT WORD...

local command_line = require "command_line"
local skynet = require "skynet"
local socket = require "skynet.socket"

local host, port = ...
local words = { select(3, ...) }
host, port = command_line.address("client.lua HOST PORT WORD...", 1, host, port)

skynet.start(function()
  local id, reason = socket.open(host, port)
  if not id then
    command_line.fail(("cannot connect to %s:%d: %s"):format(host, port, reason))
  end
  for _, word in ipairs(words) do
    socket.write(id, { word, "\n" })
    local line = socket.readline(id)
    if not line then
      command_line.fail("connection ended early")
    end
    print(line)
  end
  socket.close(id)
  skynet.exit()
end)
