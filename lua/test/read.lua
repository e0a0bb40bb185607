-- Does every way of reading give exactly the bytes that were sent, and say when no more can come?

local skynet = require "skynet"
local socket = require "skynet.socket"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local LONG = 5 -- 1/100 s: long enough to tell "suspended" from "returned" on loopback.

function cases.read_of_n_bytes_waits_for_exactly_n()
  local client, server = harness.pair()
  local reader = harness.spawn(socket.read, server, 5)
  socket.write(client, "abc")
  skynet.sleep(LONG)
  assert(not reader.has_ended(), "read(5) returned with 3 bytes")
  socket.write(client, "defg")
  equal(reader.join(), "abcde")
  equal(socket.read(server, 2), "fg")
  reader = harness.spawn(socket.read, server, 3)
  skynet.yield()
  socket.write(client, "hij") -- Not one byte more.
  equal(reader.join(), "hij")
end

function cases.read_of_n_bytes_gives_the_rest_at_the_end()
  local client, server = harness.pair()
  local reader = harness.spawn(function()
    return socket.read(server, 5)
  end)
  socket.write(client, "abc")
  socket.close(client)
  local data, rest = reader.join()
  equal(data, false)
  equal(rest, "abc")
end

function cases.read_without_size_gives_what_is_there()
  local client, server = harness.pair()
  socket.write(client, "abc")
  equal(socket.read(server), "abc")
  socket.close(client)
  local data, rest = socket.read(server)
  equal(data, false)
  equal(rest, "")
end

function cases.LV11_read_of_zero_bytes_returns_at_once()
  local _, server = harness.pair()
  equal(socket.read(server, 0), "")
end

function cases.LV11_read_of_an_odd_size_raises()
  local _, server = harness.pair()
  for _, size in ipairs { -1, 1.5, "x", {} } do
    assert(not pcall(socket.read, server, size), "read took " .. tostring(size))
  end
end

function cases.reading_an_unknown_id_raises()
  for _, f in ipairs { socket.read, socket.readline, socket.readall } do
    harness.expect_error("not open here", f, 12345)
  end
  local _, listener = harness.listen(function() end)
  harness.expect_error("listener", socket.read, listener)
end

function cases.buffered_bytes_stay_readable_after_the_end()
  local client, server = harness.pair()
  socket.write(client, "one\ntwo\nthree")
  socket.close(client)
  equal(socket.readline(server), "one")
  while not socket.disconnected(server) do
    skynet.yield()
  end
  equal(socket.read(server, 2), "tw")
  equal(socket.readline(server), "o")
  local line, rest = socket.readline(server)
  equal(line, false)
  equal(rest, "three")
  equal(socket.readall(server), false)
  socket.close(server)
end

function cases.readline_finds_a_separator_sent_byte_by_byte()
  local client, server = harness.pair()
  local writer = harness.spawn(function()
    for c in ("head\r\n\r\r\n\r\nbody"):gmatch(".") do
      socket.write(client, c)
      skynet.yield()
    end
  end)
  equal(socket.readline(server, "\r\n\r\n"), "head\r\n\r")
  writer.join()
  equal(socket.read(server, 4), "body")
end

function cases.readline_gives_the_rest_at_the_end()
  local client, server = harness.pair()
  socket.write(client, "no end")
  socket.close(client)
  local line, rest = socket.readline(server)
  equal(line, false)
  equal(rest, "no end")
end

function cases.LV11_readline_with_an_empty_separator_raises()
  local _, server = harness.pair()
  harness.expect_error("empty", socket.readline, server, "")
end

function cases.empty_lines_are_lines()
  local client, server = harness.pair()
  socket.write(client, "\n\nx\n")
  equal(socket.readline(server), "")
  equal(socket.readline(server), "")
  equal(socket.readline(server), "x")
end

function cases.LV12_line_longer_than_its_limit_is_refused()
  local client, server = harness.pair()
  local reader = harness.spawn(function()
    return socket.readline(server, "\n", 1000)
  end)
  socket.write(client, ("x"):rep(1001))
  local line, reason = reader.join()
  equal(line, nil)
  equal(reason, "line too long")
  equal(socket.read(server, 1001), ("x"):rep(1001)) -- Nothing was consumed.
  socket.write(client, ("y"):rep(1000) .. "\n")
  equal(socket.readline(server, "\n", 1000), ("y"):rep(1000))
end

function cases.LV12_line_without_end_is_refused_at_16_mib()
  local client, server = harness.pair()
  local writer = harness.spawn(function()
    for _ = 1, 17 do
      socket.write(client, ("x"):rep(1024 * 1024))
    end
  end)
  local line, reason = socket.readline(server)
  equal(line, nil)
  equal(reason, "line too long")
  writer.join()
  equal(#socket.read(server, 17 * 1024 * 1024), 17 * 1024 * 1024)
end

function cases.readall_gives_everything_until_the_end()
  local client, server = harness.pair()
  local sent = harness.bytes(4 * 1024 * 1024, 1)
  local reader = harness.spawn(socket.readall, server)
  socket.write(client, sent)
  socket.close(client)
  assert(reader.join() == sent, "4 MiB came back changed")
  equal(socket.readall(server), false)
end

function cases.readall_of_a_silent_peer_is_empty()
  local client, server = harness.pair()
  local reader = harness.spawn(socket.readall, server)
  skynet.yield()
  socket.close(client)
  equal(reader.join(), "")
end

function cases.second_reader_raises_and_the_first_goes_on()
  local client, server = harness.pair()
  local first = harness.spawn(socket.read, server, 3)
  skynet.yield()
  harness.expect_error("another coroutine", socket.read, server, 2)
  harness.expect_error("another coroutine", socket.readline, server)
  harness.expect_error("another coroutine", socket.readall, server)
  socket.write(client, "ab")
  skynet.sleep(LONG)
  assert(not first.has_ended(), "the refused reader changed what the first one waits for")
  socket.write(client, "c")
  equal(first.join(), "abc")
end

function cases.LV11_block_returns_at_once_when_data_is_buffered()
  local client, server = harness.pair()
  local blocked = harness.spawn(socket.block, server)
  socket.write(client, "abc")
  equal(blocked.join(), true)
  equal(socket.block(server), true)
  equal(socket.read(server), "abc")
  blocked = harness.spawn(socket.block, server)
  socket.close(client)
  equal(blocked.join(), false)
  equal(socket.block(server), false)
  equal(socket.block(12345), false)
end

-- Reads `expected` in random ways and checks every piece.
local function read_and_check(id, expected)
  local at = 1
  local function check(data)
    assert(data == expected:sub(at, at + #data - 1), "bytes differ behind offset " .. at)
    at = at + #data
  end
  while #expected - at + 1 > 70000 do
    local way = math.random(4)
    if way == 1 then
      check(assert(socket.read(id)))
    elseif way == 2 then
      local n = math.random(0, 3) == 0 and math.random(65536) or math.random(300)
      local data = assert(socket.read(id, n))
      equal(#data, n)
      check(data)
    else
      local separator = way == 3 and "\n" or "\r\n"
      check(assert(socket.readline(id, separator)))
      check(separator)
    end
  end
  local rest = socket.readall(id) or ""
  check(rest)
  equal(at, #expected + 1)
end

function cases.random_mix_of_reads_gives_what_was_sent()
  for seed = 1, 4 do
    local client, server = harness.pair()
    -- Lines of some hundred bytes with both separators.
    local sent = harness.bytes(1024 * 1024, seed):gsub("[\x40-\x42]", "\r\n")
    math.randomseed(seed)
    local writer = harness.spawn(function()
      local at = 1
      while at <= #sent do
        local n = math.random(0, 9) == 0 and math.random(100000) or math.random(2000)
        assert(socket.write(client, sent:sub(at, at + n - 1)))
        at = at + n
        if math.random(4) == 1 then
          skynet.yield()
        end
      end
      socket.close(client)
    end)
    read_and_check(server, sent)
    writer.join()
    socket.close(server)
  end
end

-- A short string that exists already costs nothing, so all growth would be tables, closures or
-- coroutines made per message.
function cases.message_makes_no_garbage_but_its_string()
  local client, server = harness.pair()
  skynet.fork(function()
    local data = socket.read(server)
    while data and socket.write(server, data) do
      data = socket.read(server)
    end
  end)
  local function round_trips(count)
    for _ = 1, count do
      socket.write(client, "ping")
      equal(socket.read(client, 4), "ping")
    end
  end
  round_trips(100)
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  round_trips(1000)
  local growth = (collectgarbage "count" - before) * 1024
  collectgarbage "restart"
  assert(growth < 5000, ("%.0f bytes of garbage in 1000 round trips"):format(growth))
end

function cases.second_readline_leaves_the_separator_of_the_first()
  local client, server = harness.pair()
  local reader = harness.spawn(socket.readline, server, "X")
  skynet.yield()
  harness.expect_error("another coroutine waits", socket.readline, server, "Y")
  socket.write(client, "oneYtwoX")
  equal(reader.join(), "oneYtwo")
end

function cases.limit_closes_while_readline_waits()
  local client, server = harness.pair()
  local reader = harness.spawn(socket.readline, server, "X")
  skynet.yield()
  socket.limit(server, 10)
  socket.write(client, ("z"):rep(1000))
  local line, rest = reader.join()
  equal(line, false)
  equal(#rest, 1000)
  harness.expect_log "more than its limit"
end

function cases.limit_that_is_no_number_raises()
  local client, server = harness.pair()
  harness.expect_error("number of bytes expected, got string", socket.limit, server, "10")
  socket.write(client, "line\n")
  equal(socket.readline(server), "line")
end

function cases.read_where_nobody_can_wait_raises_and_leaves_the_socket_to_the_next()
  local client, server = harness.pair()
  for _, read in ipairs { socket.read, socket.readline, socket.readall, socket.block } do
    harness.expect_error("cannot wait here", string.gsub, "x", "x", function()
      read(server)
    end)
  end
  local reader = harness.spawn(socket.readline, server)
  skynet.yield()
  socket.write(client, "line\n")
  equal(reader.join(), "line")
end

harness.run(cases, ...)
