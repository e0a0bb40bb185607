-- Does a socket channel pair requests and answers in both modes, and do its callers get an error,
-- never nothing, when the connection is lost? The servers are listeners of the test.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local harness = require "harness"

local equal, expect_log = harness.equal, harness.expect_log
local cases = {}

--- A server that calls on_line(id, line) for every line; returns its port.
local function line_server(on_line)
  return (harness.listen(function(id)
    assert(socket.start(id))
    local line = socket.readline(id)
    while line do
      if on_line(id, line) == "close" then
        break
      end
      line = socket.readline(id)
    end
    socket.close(id)
  end))
end

local function echo(id, line)
  socket.write(id, line .. "\n")
end

local function read_line(stream)
  return true, stream:readline "\n"
end

local function channel_to(port, more)
  local desc = more or {}
  desc.host, desc.port = "127.0.0.1", port
  return socketchannel.channel(desc)
end

local function expect_socket_error(f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok, "no error raised")
  equal(err, socketchannel.error)
  equal(tostring(err), "[Error: socket]")
end

function cases.channel_answers_come_in_the_order_of_requests()
  local channel = channel_to(line_server(echo))
  local callers = {}
  for i = 1, 100 do
    callers[i] = harness.spawn(function()
      equal(channel:request("request " .. i .. "\n", read_line), "request " .. i)
    end)
  end
  for _, caller in ipairs(callers) do
    caller.join()
  end
  channel:close()
end

--- Answers of session mode: "SESSION RESULT TEXT".
local function read_session(stream)
  local session, result, text = stream:readline("\n"):match "^(%d+) (%w+) (.*)$"
  return tonumber(session), result ~= "error", text, result == "part"
end

function cases.channel_answers_find_their_session_in_any_order()
  local kept = {}
  local channel = channel_to(line_server(function(id, line)
    table.insert(kept, 1, line .. " ok answer to " .. line .. "\n")
    if #kept == 10 then
      socket.write(id, kept)
    end
  end), { response = read_session })
  local callers = {}
  for session = 1, 10 do
    callers[session] = harness.spawn(function()
      equal(channel:request(session .. "\n", session), "answer to " .. session)
    end)
  end
  for _, caller in ipairs(callers) do
    caller.join()
  end
end

function cases.channel_answers_in_parts_are_collected()
  local channel = channel_to(line_server(function(id)
    socket.write(id, "7 part one\n7 part two\n8 ok whole\n7 ok three\n9 error reason\n")
  end), { response = read_session, socket_readline = nil })
  local parts = harness.spawn(channel.request, channel, "go\n", 7)
  equal(channel:response(8), "whole")
  equal(table.concat(parts.join(), " "), "one two three")
  expect_log "unknown session 9"
  local in_order = channel_to(line_server(function(id)
    socket.write(id, "+one\n+two\n-three\n")
  end))
  local got = in_order:request("go\n", function(stream)
    local line = stream:readline "\n"
    return true, line, line:sub(1, 1) == "+"
  end)
  equal(table.concat(got, " "), "+one +two -three")
end

function cases.channel_answer_that_is_an_error_is_raised_as_it_is()
  local channel = channel_to(line_server(echo))
  local function refuse(stream)
    return false, { text = stream:readline "\n" }
  end
  local ok, err = pcall(channel.request, channel, "reason\n", refuse)
  assert(not ok)
  equal(err.text, "reason")
  equal(channel:request("alive\n", read_line), "alive")
end

function cases.channel_response_function_that_raises_ends_the_connection_for_all()
  local connections = {}
  local channel = channel_to(line_server(function(id, line)
    connections[#connections + (connections[#connections] == id and 0 or 1)] = id
    echo(id, line)
  end))
  local function broken()
    error "cannot parse"
  end
  local first = harness.spawn(pcall, channel.request, channel, "one\n", broken)
  local second = harness.spawn(pcall, channel.request, channel, "two\n", read_line)
  for _, caller in ipairs { first, second } do
    local ok, err = caller.join()
    assert(not ok)
    assert(err:find "cannot parse", err)
  end
  equal(channel:request("again\n", read_line), "again")
  equal(#connections, 2)
end

function cases.channel_callers_get_an_error_when_the_peer_closes_and_the_next_connects_again()
  for _, more in ipairs { {}, { response = read_session } } do
    local response = more.response and 1 or read_line
    local calls = 0
    local channel = channel_to(line_server(function(id)
      calls = calls + 1
      if calls < 3 then
        return "close"
      end
      socket.write(id, more.response and "2 ok alive\n" or "alive\n")
    end), more)
    expect_socket_error(channel.request, channel, "lost\n", response)
    expect_socket_error(channel.request, channel, "lost\n", response)
    equal(channel:request("alive\n", more.response and 2 or read_line), "alive")
  end
end

function cases.channel_notices_that_the_peer_has_closed_before_it_writes()
  local channel = channel_to(line_server(function(id, line)
    echo(id, line)
    return "close"
  end))
  equal(channel:request("one\n", read_line), "one")
  harness.eventually(function()
    return socket.disconnected(channel.__sock[1])
  end)
  equal(channel:request("two\n", read_line), "two")
end

function cases.channel_connects_once_or_raises()
  local channel = channel_to(harness.closed_port())
  expect_socket_error(channel.connect, channel, true)
  expect_log "connect to 127.0.0.1:%d+ failed: "
  expect_socket_error(channel.request, channel, "x\n", read_line)
  expect_log "connect to 127.0.0.1:%d+ failed: "
end

function cases.channel_connect_tries_until_the_server_is_there()
  local port = harness.closed_port()
  local channel = channel_to(port)
  local caller = harness.spawn(channel.connect, channel)
  skynet.sleep(10)
  expect_log "failed"
  assert(not caller.has_ended())
  local listener = assert(socket.listen("127.0.0.1", port))
  assert(socket.start(listener, function(id)
    assert(socket.start(id))
    echo(id, socket.readline(id))
  end))
  equal(caller.join(), true)
  equal(channel:request("there\n", read_line), "there")
  while pcall(expect_log, "failed") do
    skynet.yield()
  end
end

function cases.channel_many_callers_share_one_connect()
  local accepted = 0
  local port = harness.listen(function(id)
    accepted = accepted + 1
    assert(socket.start(id))
    for _ = 1, 20 do
      echo(id, socket.readline(id))
    end
    socket.close(id)
  end)
  local channel = channel_to(port)
  local callers = {}
  for i = 1, 20 do
    callers[i] = harness.spawn(channel.request, channel, i .. "\n", read_line)
  end
  for i, caller in ipairs(callers) do
    equal(caller.join(), tostring(i))
  end
  equal(accepted, 1)
end

function cases.channel_auth_goes_first_after_every_connect()
  local seen = {}
  local port = line_server(function(id, line)
    seen[#seen + 1] = line
    if line == "drop" then
      return "close"
    end
    echo(id, line)
  end)
  local channel = channel_to(port, {
    auth = function(channel)
      skynet.sleep(3)
      equal(channel:request("auth\n", read_line), "auth")
    end,
  })
  local callers = {}
  for i = 1, 3 do -- The later ones find a connection whose auth has not ended.
    callers[i] = harness.spawn(channel.request, channel, "call\n", read_line)
    skynet.sleep(1)
  end
  for _, caller in ipairs(callers) do
    equal(caller.join(), "call")
  end
  expect_socket_error(channel.request, channel, "drop\n", read_line)
  equal(channel:request("call\n", read_line), "call")
  equal(table.concat(seen, " "), "auth call call call drop auth call")
end

function cases.channel_auth_that_fails_fails_the_callers()
  local channel = channel_to(line_server(echo), {
    auth = function(channel)
      assert(channel:request("password\n", read_line) == "welcome", "refused")
    end,
  })
  expect_socket_error(channel.request, channel, "call\n", read_line)
  expect_log "auth failed: .*refused"
  local lost = channel_to(line_server(function()
    return "close"
  end), {
    auth = function(channel)
      channel:request("password\n", read_line)
    end,
  })
  expect_socket_error(lost.request, lost, "call\n", read_line)
  expect_log "auth failed: %[Error: socket%]"
end

function cases.channel_auth_may_change_the_host()
  local real = line_server(function(id)
    socket.write(id, "real\n")
  end)
  local channel = channel_to(line_server(echo), {
    auth = function(channel)
      if channel.__port ~= real then
        equal(channel:request("where\n", read_line), "where")
        channel:changehost("127.0.0.1", real)
      end
    end,
  })
  equal(channel:request("call\n", read_line), "real")
end

function cases.channel_backups_are_tried_in_turn()
  local port = line_server(echo)
  local closed = harness.closed_port()
  local channel = channel_to(closed, {
    backup = { "127.0.0.1", { host = "127.0.0.1", port = port } },
  })
  equal(channel:request("backup\n", read_line), "backup")
  expect_log("trying backup 127.0.0.1:" .. closed)
  expect_log("trying backup 127.0.0.1:" .. port)
  local changed = channel_to(closed)
  changed:changebackup { { host = "127.0.0.1", port = port } }
  equal(changed:request("backup\n", read_line), "backup")
  expect_log "trying backup"
end

function cases.channel_close_wakes_all_callers_and_connect_opens_it_again()
  for _, more in ipairs { {}, { response = read_session } } do
    local silent = true
    local waiting = skynet.stat "task"
    local channel = channel_to(line_server(function(id, line)
      if not silent then
        socket.write(id, more.response and line .. " ok x\n" or "x\n")
      end
    end), more)
    local callers = {}
    for i = 1, 3 do
      callers[i] = harness.spawn(expect_socket_error, channel.request, channel, i .. "\n",
        more.response and i or read_line)
    end
    skynet.sleep(5)
    channel:close()
    for _, caller in ipairs(callers) do
      caller.join()
    end
    harness.eventually(function()
      return skynet.stat "task" == waiting -- No reader is left behind.
    end)
    expect_socket_error(channel.request, channel, "9\n", more.response and 9 or read_line)
    silent = false
    channel:connect(true)
    equal(channel:request("9\n", more.response and 9 or read_line), "x")
  end
end

function cases.channel_changehost_moves_the_next_request()
  local function server(name)
    return line_server(function(id)
      socket.write(id, name .. "\n")
    end)
  end
  local channel = channel_to(server "first")
  equal(channel:request("who\n", read_line), "first")
  local waiting = skynet.stat "task"
  channel:changehost("127.0.0.1", server "second")
  equal(channel:request("who\n", read_line), "second")
  harness.eventually(function()
    return skynet.stat "task" == waiting -- The idle reader of the first connection has ended.
  end)
end

function cases.channel_request_without_response_returns_at_once()
  local lines = {}
  local channel = channel_to(line_server(function(id, line)
    lines[#lines + 1] = line
    if #lines == 4 then
      socket.write(id, "all\n")
    end
  end))
  equal(channel:request "quiet\n", nil)
  equal(channel:request("part 1\n", nil, { "part 2\n", "part 3\n" }), nil)
  equal(channel:response(read_line), "all")
  equal(table.concat(lines, " "), "quiet part 1 part 2 part 3")
end

function cases.channel_response_waits_without_a_request()
  local channel = channel_to(line_server(function(id)
    socket.write(id, "answer\npushed\n")
  end))
  equal(channel:request("go\n", read_line), "answer")
  equal(channel:response(read_line), "pushed")
end

function cases.channel_overload_is_told_when_it_begins_and_ends()
  local reading = harness.event()
  local total = 0
  local port = harness.listen(function(id)
    reading.await() -- Until it is started, nothing is read.
    assert(socket.start(id))
    local data = socket.read(id)
    while data do
      total = total + #data
      data = socket.read(id)
    end
    socket.close(id)
  end)
  local states = {}
  local channel = channel_to(port, {
    nodelay = true,
    overload = function(busy)
      states[#states + 1] = busy
    end,
  })
  local block = ("x"):rep(1024 * 1024)
  for _ = 1, 40 do
    channel:request(block)
  end
  harness.eventually(function()
    return states[#states]
  end)
  reading.set()
  harness.eventually(function()
    return total == 40 * #block and not states[#states]
  end)
  for i, busy in ipairs(states) do
    equal(busy, i % 2 == 1) -- The kernel may have taken all of it before more came.
  end
  while pcall(expect_log, "wait to be sent") do
    skynet.yield()
  end
end

harness.run(cases, ...)
