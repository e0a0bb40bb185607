--- Random clients for the chat example: they say things of all sizes in pieces, ask who is there, read
-- late, quit, close, reset, or go in the middle of a frame. Every line that they hear has to be whole.
-- Usage: skysock chat_clients.lua PORT SECONDS SEED [CLIENTS]   (prints "heard N lines, all whole")

local skynet = require "skynet"
local socket = require "skynet.socket"

local port, seconds, seed, clients = ...
port, seconds = tonumber(port), tonumber(seconds)
clients = tonumber(clients or 20)
math.randomseed(tonumber(seed))
local random = math.random

local heard = 0
local failure

--- What is said: a number, then so many times the same letter.
local function make_line()
  local sizes = { 0, 1, random(100), random(100), random(1000), 60000 }
  local size = sizes[random(#sizes)]
  return size .. " " .. string.char(random(97, 122)):rep(size)
end

local function check_line(text)
  local size, letters = text:match "^127%.0%.0%.1:%d+: (%d+) (%l*)$"
  local whole = size and #letters == tonumber(size) and letters == letters:sub(1, 1):rep(#letters)
  assert(whole or text:find "^welcome " or text:find "^here: " or text == "bye", "odd line heard")
  heard = heard + 1
end

--- The text of the next frame; nil at the end, or when the other coroutine has closed.
local function read_frame(id)
  local header = not socket.invalid(id) and socket.read(id, 2)
  return header and socket.read(id, (string.unpack(">I2", header))) or nil
end

local function listen(id)
  local text = read_frame(id)
  while text do
    check_line(text)
    if random(200) == 1 then
      skynet.sleep(random(50))
    end
    text = read_frame(id)
  end
end

local function say(id, text)
  local frame = string.pack(">s2", text)
  local cut = random(0, #frame)
  socket.write(id, frame:sub(1, cut))
  if random(3) == 1 then
    skynet.sleep(random(0, 2))
  end
  socket.write(id, frame:sub(cut + 1))
end

local farewells = {
  function(id)
    say(id, "/quit")
  end,
  socket.shutdown,
  function(id)
    socket.write(id, "\x10\x00in the middle")
    socket.close(id)
  end,
  socket.close,
  function() end, -- The listener closes.
}

local function live(id)
  for _ = 1, random(0, 20) do
    say(id, random(10) == 1 and "/who" or make_line())
    skynet.sleep(random(0, 10))
  end
  farewells[random(#farewells)](id)
end

local function run_client()
  local id = assert(socket.open("127.0.0.1", port))
  local done = {}
  skynet.fork(function()
    local ok, err = pcall(live, id)
    failure = failure or not ok and err or nil
    done.ended = true
    if not socket.disconnected(id) and not socket.invalid(id) then
      socket.shutdown(id)
    end
    skynet.wakeup(done)
  end)
  listen(id)
  if not done.ended then
    skynet.wait(done)
  end
  if not socket.invalid(id) then
    socket.close(id)
  end
end

skynet.start(function()
  local ends = skynet.now() + seconds * 100
  local running = clients
  for _ = 1, clients do
    skynet.fork(function()
      while skynet.now() < ends and not failure do
        local ok, err = xpcall(run_client, debug.traceback)
        failure = failure or not ok and err or nil
      end
      running = running - 1
    end)
  end
  while running > 0 do
    skynet.sleep(10)
  end
  assert(not failure, failure)
  print("heard " .. heard .. " lines, all whole")
  skynet.exit()
end)
