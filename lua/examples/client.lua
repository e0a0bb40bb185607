--- Sends each WORD as a line and prints the lines that come back.
-- Usage: skysock lua/examples/client.lua HOST PORT WORD...

local skynet = require "skynet"
local socket = require "skynet.socket"

local host, port = ...
local words = { select(3, ...) }
if not (host and port) then
  error("usage: skysock client.lua HOST PORT WORD...", 0)
end

skynet.start(function()
  local id, reason = socket.open(host, tonumber(port) or port)
  if not id then
    error("cannot connect to " .. host .. ":" .. port .. ": " .. reason, 0)
  end
  for _, word in ipairs(words) do
    socket.write(id, { word, "\n" })
    local line = socket.readline(id)
    if not line then
      error("connection ended early", 0)
    end
    print(line)
  end
  socket.close(id)
  skynet.exit()
end)
