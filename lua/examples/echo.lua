--- Echo server: sends back what it receives, until the client has finished sending.
-- Usage: skysock lua/examples/echo.lua HOST PORT   (PORT 0: any free port, see the printed line)

local skynet = require "skynet"
local socket = require "skynet.socket"

local host, port = ...
if not (host and port) then
  error("usage: skysock echo.lua HOST PORT", 0)
end

-- Runs in a coroutine of its own for every connection.
local function serve(id)
  if not socket.start(id) then
    return
  end
  local data = socket.read(id)
  while data and socket.write(id, data) do
    data = socket.read(id)
  end
  socket.close(id) -- Sends what is still queued first.
end

skynet.start(function()
  local id, address, bound = socket.listen(host, tonumber(port) or port)
  if not id then
    error("cannot listen on " .. host .. ":" .. port .. ": " .. address, 0)
  end
  assert(socket.start(id, serve))
  print("listening on " .. host .. ":" .. bound)
  io.stdout:flush()
end)
