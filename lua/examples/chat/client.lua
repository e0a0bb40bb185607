--- Sends lines of standard input to the chat room and prints what it says, until /quit.
-- Usage: skysock lua/examples/chat/client.lua HOST PORT

local skynet = require "skynet"
local socket = require "skynet.socket"

local host, port = ...

--- The text of the next frame; nil at the end.
local function read_frame(id)
  local header = socket.read(id, 2)
  return header and socket.read(id, (string.unpack(">I2", header))) or nil
end

skynet.start(function()
  local id = assert(socket.open(host, math.tointeger(tonumber(port))))
  skynet.fork(function()
    local input = socket.stdin()
    local line = socket.readline(input)
    while line do
      socket.write(id, string.pack(">s2", line))
      line = socket.readline(input)
    end
    socket.write(id, string.pack(">s2", "/quit"))
  end)
  local text = read_frame(id)
  while text do
    print(text)
    io.stdout:flush()
    text = read_frame(id)
  end
  socket.close(id)
  skynet.exit()
end)
