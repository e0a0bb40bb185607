-- Lines that end with \r\n, with \n, and a rest without an end.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    socket.write(id, "first\r\nsecond\nthird\r\nrest")
    socket.close(id)
  end)
  local id = socket.open("127.0.0.1", port)
  print(socket.readline(id, "\r\n"))
  print(socket.readline(id))
  print(socket.readline(id, "\r\n"))
  print(socket.readline(id, "\r\n"))
  print(socket.readline(id, "\r\n"))
  socket.close(id)
  skynet.exit()
end)
