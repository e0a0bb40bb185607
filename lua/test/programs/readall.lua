-- readall waits for the end of the stream.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    for _ = 1, 100 do
      socket.write(id, ("x"):rep(10000))
    end
    socket.close(id)
  end)
  local id = socket.open("127.0.0.1", port)
  print(#socket.readall(id))
  print(socket.readall(id))
  socket.close(id)
  skynet.exit()
end)
