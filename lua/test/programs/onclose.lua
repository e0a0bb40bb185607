-- onclose runs once when the connection has ended, whoever ended it.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local server
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    server = id
    socket.onclose(id, function(closed)
      skynet.sleep(2)
      print("server side closed", closed == server)
      skynet.exit()
    end)
    socket.readall(id)
    print("disconnected", socket.disconnected(id), "invalid", socket.invalid(id))
    socket.close(id)
    print("invalid", socket.invalid(id))
  end)
  local id = socket.open("127.0.0.1", port)
  socket.onclose(id, function(closed)
    print("client side closed", closed == id)
    skynet.sleep(1)
  end)
  socket.close(id)
end)
