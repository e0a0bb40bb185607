--- A chat room: a gate accepts clients, a watchdog gives each an agent, a room tells all of them.
-- Messages are frames: 2 bytes of length, big-endian, then text. client.lua is a client.
-- Usage: skysock lua/examples/chat/main.lua HOST PORT   (PORT 0: any free one, see what it prints)

local skynet = require "skynet"

local MAX_CLIENTS = 10000

local host, port = ...
port = math.tointeger(tonumber(port))
assert(port and host ~= "", "usage: skysock main.lua HOST PORT")

skynet.start(function()
  local watchdog = skynet.newservice "watchdog"
  local address, bound = skynet.call(watchdog, "lua", "start", {
    address = host,
    port = port,
    maxclient = MAX_CLIENTS,
    nodelay = true,
  })
  print("listening on " .. address .. ":" .. bound)
  io.stdout:flush()
  skynet.exit() -- The others go on.
end)
