-- What is written before close arrives whole, low priority last.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    local text = socket.readall(id)
    print("server got", #text, text:sub(-4), socket.disconnected(id))
    socket.close(id)
    skynet.exit()
  end)
  local id = socket.open("127.0.0.1", port)
  socket.write(id, ("x"):rep(300000))
  socket.lwrite(id, "low priority, last")
  socket.close(id)
end)
