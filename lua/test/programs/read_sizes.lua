-- read(id, n) gives n bytes, or false and the rest.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    socket.write(id, "0123")
    skynet.sleep(2)
    socket.write(id, { "456", "789" })
    socket.close(id)
  end)
  local id = socket.open("127.0.0.1", port)
  print(socket.read(id, 2))
  print(socket.read(id, 6))
  print(socket.read(id, 10))
  print(socket.read(id))
  socket.close(id)
  skynet.exit()
end)
