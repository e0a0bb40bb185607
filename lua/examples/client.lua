--- Sends each WORD as a line and prints the lines that come back.
-- Usage: skysock lua/examples/client.lua HOST PORT WORD...

local skynet = require "skynet"
local socket = require "skynet.socket"

-- Ends the process with 1 and this text; an error object with a text has no traceback.
local function fail(text)
  error(setmetatable({}, { __tostring = function() return text end }))
end

local host, port = ...
local words = { select(3, ...) }
port = math.tointeger(tonumber(port))
if not (port and host ~= "" and port >= 1 and port <= 65535) then
  fail("usage: skysock client.lua HOST PORT WORD...   (PORT from 1 to 65535)")
end

skynet.start(function()
  local id, reason = socket.open(host, port)
  if not id then
    fail("cannot connect to " .. host .. ":" .. port .. ": " .. reason)
  end
  for _, word in ipairs(words) do
    socket.write(id, { word, "\n" })
    local line = socket.readline(id)
    if not line then
      fail("connection ended early")
    end
    print(line)
  end
  socket.close(id)
  skynet.exit()
end)
