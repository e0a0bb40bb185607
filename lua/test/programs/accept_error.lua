-- An accept callback that raises loses its connection, not the listener.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local count = 0
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    count = count + 1
    socket.start(id)
    if count == 1 then
      error "first client refused"
    end
    socket.write(id, "welcome\n")
  end)
  for _ = 1, 2 do
    local id = socket.open("127.0.0.1", port)
    print(socket.readline(id))
    socket.close(id)
  end
  skynet.exit()
end)
