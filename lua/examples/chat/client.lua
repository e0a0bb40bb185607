--- Sends lines of standard input to the chat room and prints what it says, until /quit.
-- Usage: skysock lua/examples/chat/client.lua HOST PORT

local skynet = require "skynet"
local socket = require "skynet.socket"

-- Ends the program with 1 and this text; an error object with a text has no traceback.
local function fail(text)
  error(setmetatable({}, { __tostring = function() return text end }))
end

local host, port = ...
port = math.tointeger(tonumber(port))
if not (port and host ~= "" and port >= 1 and port <= 65535) then
  fail("usage: skysock client.lua HOST PORT   (PORT from 1 to 65535)")
end

--- The text of the next frame; nil at the end.
local function read_frame(id)
  local header = socket.read(id, 2)
  return header and socket.read(id, (string.unpack(">I2", header))) or nil
end

skynet.start(function()
  local id, reason = socket.open(host, port)
  if not id then
    fail(("cannot connect to %s:%d: %s"):format(host, port, reason))
  end
  skynet.fork(function()
    local input = socket.stdin()
    local line
    repeat
      line = socket.readline(input) or "/quit"
      socket.write(id, string.pack(">s2", line))
    until line == "/quit"
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
