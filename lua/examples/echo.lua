--- Echo server: sends back what it receives, until the client has finished sending.
-- Usage: skysock lua/examples/echo.lua HOST PORT   (PORT 0: any free port, see the printed line)

local skynet = require "skynet"
local socket = require "skynet.socket"

-- Ends the process with 1 and this text; an error object with a text has no traceback.
local function fail(text)
  error(setmetatable({}, { __tostring = function() return text end }))
end

local host, port = ...
port = math.tointeger(tonumber(port))
if not (port and host ~= "" and port >= 0 and port <= 65535) then
  fail("usage: skysock echo.lua HOST PORT   (PORT from 0 to 65535; 0: any free port)")
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
  local id, address, bound = socket.listen(host, port)
  if not id then
    fail("cannot listen on " .. host .. ":" .. port .. ": " .. address)
  end
  assert(socket.start(id, serve))
  print("listening on " .. host .. ":" .. bound)
  io.stdout:flush()
end)
