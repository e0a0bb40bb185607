-- A port that nobody listens on.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.close(listen_id)
  local id, err = socket.open("127.0.0.1", port)
  print(id, type(err))
  print(pcall(socket.open, "127.0.0.1", 70000) == false)
  skynet.exit()
end)
