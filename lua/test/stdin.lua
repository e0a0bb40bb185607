-- Prints what standard input says, line by line, and how it ended. For stdin.sh.

local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local id = assert(socket.stdin())
  local line, rest = socket.readline(id)
  while line do
    print("line " .. line)
    line, rest = socket.readline(id)
  end
  print("rest " .. rest)
  print("disconnected " .. tostring(socket.disconnected(id)))
  socket.close(id)
  print("invalid " .. tostring(socket.invalid(id)))
  skynet.exit()
end)
