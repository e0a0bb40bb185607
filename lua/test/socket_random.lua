-- Do readers, closers and owners of a stream that meet in any order get every byte in order, and come
-- back? Each seed is another meeting; a case says which seeds it goes through.

local skynet = require "skynet"
local socket = require "skynet.socket"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local random = math.random

--- What a stream says, from the byte behind `at` on: lines of some hundred bytes.
local text = harness.bytes(600000, 11):gsub("[\x40-\x42]", "\n")

local function pause_a_little()
  local way = random(6)
  if way == 1 then
    skynet.sleep(random(0, 2))
  elseif way <= 3 then
    skynet.yield()
  end
end

--- Sends `count` bytes in pieces, and finishes in one of the ways; true: every byte must arrive.
local function send_all(id, count)
  local at = 1
  while at <= count do
    local size = math.min(random(random(4) == 1 and 60000 or 500), count - at + 1)
    if not socket.write(id, text:sub(at, at + size - 1)) then
      return false -- The other side has ended.
    end
    at = at + size
    pause_a_little()
  end
  if random(6) == 1 then
    socket.shutdown(id)
    socket.close(id)
    return false
  end
  socket.close(id)
  return true
end

--- One read of some kind. Returns the bytes that it took, and whether the end has come.
local function read_some(id)
  local way = random(9)
  if way <= 3 then
    local data, rest = socket.read(id)
    return data or rest, not data
  elseif way <= 5 then
    local data, rest = socket.read(id, random(random(3) == 1 and 200000 or 300))
    return data or rest, not data
  elseif way <= 7 then
    local line, rest = socket.readline(id, "\n", random(4) == 1 and 100 or nil)
    if line == nil then
      return "", false -- Too long: still there.
    end
    return line and line .. "\n" or rest, not line
  elseif way == 8 and socket.block(id) then
    return "", false
  end
  if random(20) == 1 then
    return socket.readall(id) or "", true
  end
  return "", false
end

--- Reads to the end, or closes before it when `patience` reads were made; now and then it gives the
-- stream up and takes it over again. Returns how many bytes came, and whether it saw the end.
local function receive(id, patience, hands_over)
  local at, ended = 1, false
  while not ended and patience > 0 do
    local data
    data, ended = read_some(id)
    assert(text:sub(at, at + #data - 1) == data, "bytes differ behind offset " .. at)
    at = at + #data
    patience = patience - 1
    if random(10) == 1 then
      socket.pause(id)
    end
    if hands_over and not ended and random(8) == 1 then
      socket.abandon(id)
      pause_a_little()
      if not socket.start(id) then
        return at - 1, false
      end
    end
    pause_a_little()
  end
  socket.close(id)
  return at - 1, ended
end

--- One meeting: a writer, a reader, and somebody who may end the connection under them.
local function meet(seed, hands_over)
  math.randomseed(seed)
  local client, server = harness.pair()
  local count = random(random(3) == 1 and #text or 20000)
  local patience = random(4) == 1 and random(20) or math.huge
  local disturbed = not hands_over and random(4) == 1
  local writer = harness.spawn(send_all, client, count)
  local reader = harness.spawn(receive, server, patience, hands_over)
  if disturbed then
    pause_a_little()
    if random(2) == 1 then
      socket.shutdown(server)
    else
      pcall(socket.close, server) -- It raises when the reader is about to do the same.
    end
  end
  local ok, came, ended = pcall(reader.join)
  -- A reader that comes back after the close finds no socket, or one that is being closed.
  local late = disturbed and not ok and (came:find "not open here" or came:find "being closed")
  assert(ok or late, came)
  local all_sent = writer.join()
  if ok and ended and all_sent and not disturbed then
    equal(came, count)
  end
  harness.await_state(server, "free")
  socket.close(client)
  equal(socket.invalid(server), true)
  harness.forget_log "error: " -- Resets are part of it.
end

function cases.readers_writers_and_closers_meet_in_any_order()
  for seed = 1, 30 do
    meet(seed, false)
  end
end

function cases.owners_meet_in_any_order()
  for seed = 1001, 1030 do
    meet(seed, true)
  end
end

harness.run(cases, ...)
