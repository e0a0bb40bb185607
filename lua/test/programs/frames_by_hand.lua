-- Frames of two bytes of length with socket.header, as programs without a gate do.
local skynet = require "skynet"
local socket = require "skynet.socket"

local function read_frame(id)
  local header = socket.read(id, 2)
  return header and socket.read(id, socket.header(header))
end

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    local text = read_frame(id)
    while text do
      socket.write(id, string.pack(">s2", text:reverse()))
      text = read_frame(id)
    end
    socket.close(id)
  end)
  local id = socket.open("127.0.0.1", port)
  for _, text in ipairs { "abc", "", ("xy"):rep(300) } do
    socket.write(id, string.pack(">s2", text))
    local answer = read_frame(id)
    print(#answer, answer:sub(1, 4))
  end
  socket.close(id)
  skynet.exit()
end)
