-- block waits for data without taking it.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    skynet.sleep(2)
    socket.write(id, "data")
    socket.close(id)
  end)
  local id = socket.open("127.0.0.1", port)
  print(socket.block(id))
  print(socket.read(id))
  print(socket.block(id))
  print(socket.read(id))
  socket.close(id)
  skynet.exit()
end)
