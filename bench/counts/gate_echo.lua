--- Starts a gate that sends every frame back. Usage: gate_echo.lua HOST PORT

local skynet = require "skynet"

local host, port = ...

skynet.start(function()
  local gate = skynet.newservice("frame_echo")
  skynet.call(gate, "lua", "open", { address = host, port = tonumber(port) })
end)
