-- 20 MB through a slow reader arrive whole and in order.
local skynet = require "skynet"
local socket = require "skynet.socket"

local CHUNK, COUNT = 100000, 200

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    for i = 1, COUNT do
      socket.write(id, string.pack("<I4", i) .. ("x"):rep(CHUNK - 4))
    end
    socket.close(id)
  end)
  local id = socket.open("127.0.0.1", port)
  socket.warning(id, function() end)
  local ordered = true
  for i = 1, COUNT do
    local chunk = socket.read(id, CHUNK)
    ordered = ordered and string.unpack("<I4", chunk) == i
    if i % 50 == 0 then
      skynet.sleep(1)
    end
  end
  print("in order", ordered)
  print(socket.read(id))
  skynet.exit()
end)
