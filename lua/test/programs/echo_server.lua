-- An echo server and its client in one service.
local skynet = require "skynet"
local socket = require "skynet.socket"

local function echo(id)
  socket.start(id)
  while true do
    local str = socket.read(id)
    if not str then
      socket.close(id)
      return
    end
    socket.write(id, str)
  end
end

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, echo)
  local id = socket.open("127.0.0.1", port)
  for _, word in ipairs { "hello", "world" } do
    socket.write(id, word)
    print(socket.read(id, #word))
  end
  socket.close(id)
  socket.close(listen_id)
  skynet.exit()
end)
