--- A service with a coroutine that reads from a socket in one of the ways below.

local skynet = require "skynet"
local socket = require "skynet.socket"
local answers = require "answers"
local counted = require "counted"

local ways = {
  read = socket.read,
  read_exactly = socket.read,
  read_limited = socket.read,
  readline = socket.readline,
}

local function read(call, id, argument)
  while true do
    local data = call(id, argument)
    if not data then
      return
    end
    counted.add(#data)
    local lines = counted.lines
    if lines then
      lines[#lines + 1] = data .. "\n"
    end
  end
end

--- Reads what the descriptor `fd` receives, `size` bytes at a time; returns the socket's id.
function answers.open(way, fd, size)
  local id = assert(socket.bind(tonumber(fd)))
  if way == "read_limited" then
    socket.limit(id, 1 << 20)
  end
  skynet.fork(read, ways[way], id, way == "read_exactly" and tonumber(size) or nil)
  return id
end

answers.start()
