--- A chat room: a gate accepts clients, a watchdog gives each an agent, a room tells all of them.
-- Messages are frames: 2 bytes of length, big-endian, then text. client.lua is a client.
-- Usage: skysock lua/examples/chat/main.lua HOST PORT   (PORT 0: any free one, see what it prints)

local skynet = require "skynet"

local MAX_CLIENTS = 10000

-- Ends the program with 1 and this text; an error object with a text has no traceback.
local function fail(text)
  error(setmetatable({}, { __tostring = function() return text end }))
end

local host, port = ...
port = math.tointeger(tonumber(port))
if not (port and host ~= "" and port >= 0 and port <= 65535) then
  fail("usage: skysock main.lua HOST PORT   (PORT from 0 to 65535; 0: any free port)")
end

skynet.start(function()
  local watchdog = skynet.newservice "watchdog"
  local ok, address, bound = pcall(skynet.call, watchdog, "lua", "start", {
    address = host,
    port = port,
    maxclient = MAX_CLIENTS,
    nodelay = true,
  })
  if not ok then
    fail(("cannot listen on %s:%d: see the lines above"):format(host, port))
  end
  print("listening on " .. address .. ":" .. bound)
  io.stdout:flush()
  skynet.exit() -- The others go on.
end)
