-- Do open, listen and start answer in every case, with nil and a reason when it did not work?

local skynet = require "skynet"
local socket = require "skynet.socket"
local harness = require "harness"

local equal = harness.equal
local cases = {}

-- Outside of skynet.start there is no coroutine to suspend.
local _, opened_in_main_chunk = pcall(function()
  socket.open("127.0.0.1", 1)
end)

function cases.LV10_open_to_a_closed_port_returns_nil_and_the_reason()
  local id, reason = socket.open("127.0.0.1", harness.closed_port())
  equal(id, nil)
  assert(reason:find("refused"), reason)
end

function cases.LV33_listen_on_a_taken_port_returns_nil_and_the_reason()
  local port = harness.listen(function() end)
  local id, reason = socket.listen("127.0.0.1", port)
  equal(id, nil)
  assert(reason:find("in use"), reason)
end

function cases.LV33_listen_on_a_foreign_address_returns_nil_and_the_reason()
  local id, reason = socket.listen("192.0.2.1", 0)
  equal(id, nil)
  assert(reason:find("assign"), reason)
end

--- As programs for skynet do, where a listen that fails raises.
function cases.start_of_nothing_says_why_there_is_nothing()
  local port = harness.listen(function() end)
  local id = socket.listen("127.0.0.1", port)
  local line = debug.getinfo(1, "l").currentline + 2
  local _, err = pcall(function()
    socket.start(id, function() end)
  end)
  equal(err:match "open.lua:.*", ("open.lua:%d: bad argument #1 to 'start' (id expected, got nil; "):format(line)
    .. ("cannot listen on 127.0.0.1:%d: Address already in use)"):format(port))
  id = socket.open("127.0.0.1", harness.closed_port())
  _, err = pcall(socket.start, id)
  assert(err:find("got nil; cannot connect to 127.0.0.1:%d+: Connection refused"), err)
end

function cases.address_may_be_one_string()
  local id, address, port = assert(socket.listen("127.0.0.1:0"))
  equal(address, "127.0.0.1")
  local greeted = harness.event()
  assert(socket.start(id, function(new_id, peer)
    assert(socket.start(new_id))
    greeted.set(peer)
    socket.close(new_id)
  end))
  local client = assert(socket.open("127.0.0.1:" .. port))
  assert(greeted.await():find("^127%.0%.0%.1:%d+$"))
  socket.close(client)
end

function cases.malformed_address_raises()
  local malformed = {
    { "127.0.0.1" }, { "127.0.0.1:" }, { "127.0.0.1:80x" }, { "127.0.0.1:70000" }, { "::1:80" },
    { "127.0.0.1", -1 }, { "127.0.0.1", 65536 }, { "127.0.0.1", "80x" }, { "127.0.0.1", 1.5 },
    { "", 80 }, { nil, 80 }, { {}, 80 }, { "a\0b", 80 },
  }
  for i = 1, #malformed do
    local host, port = malformed[i][1], malformed[i][2]
    assert(not pcall(socket.open, host, port), "open took malformed address " .. i)
    assert(not pcall(socket.listen, host, port), "listen took malformed address " .. i)
  end
  assert(not pcall(socket.open, "127.0.0.1", 0), "port 0 is for listen only")
  assert(not pcall(socket.listen, "127.0.0.1", 0, -1), "negative backlog")
end

function cases.wrong_calls_raise_at_the_line_of_the_program()
  local function raises(text, f)
    local line = debug.getinfo(f, "S").linedefined
    harness.expect_error(("open.lua:%d: %s"):format(line, text), f)
  end
  raises("bad argument #1 to 'open' .*host and port", function() return (socket.open "127.0.0.1") end)
  raises("bad argument #2 to 'open' .*port", function() return (socket.open("127.0.0.1", 65536)) end)
  raises("bad argument #2 to 'listen' .*integer exp", function() return (socket.listen("x", "y")) end)
  raises("bad argument #1 to 'listen' .*string expected, got nil", function() return (socket.listen()) end)
  raises("bad argument #1 to 'timeout' .*integer below 2", function() skynet.timeout("x", print) end)
  raises("bad argument #1 to 'sleep' .*integer below 2", function() skynet.sleep(2 ^ 31) end)
  raises("function expected", function() skynet.timeout(1) end)
  raises("bad argument #1 to 'send' .*service address", function() skynet.send(nil, "lua") end)
  raises("bad argument #1 to 'call' .*address 0", function() skynet.call(0, "lua") end)
  harness.expect_error("open.lua:%d+: cannot wait here", error, opened_in_main_chunk, 0)
end

function cases.LV10_start_of_an_unknown_id_returns_nil_and_the_reason()
  local id, reason = socket.start(12345)
  equal(id, nil)
  assert(#reason > 0)
  assert(socket.invalid(12345), "a failed start leaves an entry")
end

function cases.start_of_an_impossible_id_raises()
  for _, id in ipairs { 0, -1, 0x80000000, 1 << 40, 1.5, "x" } do
    assert(not pcall(socket.start, id), "start took " .. tostring(id))
  end
end

function cases.start_of_an_open_socket_raises()
  local client = harness.pair()
  harness.expect_error("not closed", socket.start, client)
end

function cases.start_of_a_listener_needs_a_callback()
  local id = assert(socket.listen("127.0.0.1", 0))
  harness.expect_error("callback expected", socket.start, id)
  socket.close(id)
end

function cases.nothing_is_accepted_before_start()
  local listener, _, port = assert(socket.listen("127.0.0.1", 0))
  local client = assert(socket.open("127.0.0.1", port)) -- In the kernel's backlog.
  local accepted = harness.event()
  assert(socket.start(listener, function(id)
    assert(socket.start(id))
    accepted.set(socket.readline(id))
  end))
  assert(socket.write(client, "early\n"))
  equal(accepted.await(), "early")
end

function cases.LV19_accept_callback_that_raises_closes_its_connection()
  local port = harness.listen(function()
    error "planted before start"
  end)
  local client = assert(socket.open("127.0.0.1", port))
  equal(socket.read(client), false)
  harness.expect_log("planted before start")
end

function cases.LV19_accept_callback_that_raises_after_start_closes_its_connection()
  local port = harness.listen(function(id)
    assert(socket.start(id))
    socket.write(id, "hello\n")
    error "planted after start"
  end)
  local client = assert(socket.open("127.0.0.1", port))
  equal(socket.readline(client), "hello")
  equal(socket.read(client), false)
  harness.expect_log("planted after start")
end

function cases.accept_callback_may_suspend()
  local gate, served = harness.event(), 0
  local port = harness.listen(function(id)
    assert(socket.start(id))
    served = served + 1
    if served == 1 then
      gate.await()
    end
    socket.write(id, "served\n")
  end)
  local first = assert(socket.open("127.0.0.1", port))
  local second = assert(socket.open("127.0.0.1", port))
  equal(socket.readline(second), "served") -- While the first callback waits.
  gate.set()
  equal(socket.readline(first), "served")
end

function cases.closed_listener_refuses_connections()
  local port, listener = harness.listen(function() end)
  socket.close(listener)
  assert(socket.invalid(listener))
  local id, reason = socket.open("127.0.0.1", port)
  equal(id, nil)
  assert(reason:find("refused"), reason)
end

function cases.hundred_connections_at_once_each_get_their_own_bytes()
  local port = harness.listen(function(id)
    assert(socket.start(id))
    local line = socket.readline(id)
    socket.write(id, { "you said ", line, "\n" })
    socket.close(id)
  end)
  local clients = {}
  for i = 1, 100 do
    clients[i] = harness.spawn(function()
      local id = assert(socket.open("127.0.0.1", port))
      assert(socket.write(id, { i, "\n" }))
      equal(socket.readall(id), "you said " .. i .. "\n")
      socket.close(id)
    end)
  end
  for i = 1, 100 do
    clients[i].join()
  end
  skynet.yield()
end

function cases.open_whose_coroutine_is_killed_leaves_no_socket()
  local before = #socket.netstat()
  local full, _, port = assert(socket.listen("127.0.0.1", 0, 1))
  for _ = 1, 2 do
    assert(socket.open("127.0.0.1", port)) -- Nobody is accepted: the third waits.
  end
  local waits = skynet.fork(socket.open, "127.0.0.1", port)
  local listens = skynet.fork(socket.listen, "127.0.0.1", 0)
  skynet.fork(function()
    equal(skynet.killthread(listens), listens) -- Before it is answered.
  end)
  skynet.sleep(2)
  equal(#socket.netstat(), before + 4)
  equal(skynet.killthread(waits), waits)
  harness.eventually(function()
    return #socket.netstat() == before + 3
  end)
  socket.close(full)
end

function cases.host_and_port_may_be_apart_with_brackets()
  for _, name in ipairs { "127.0.0.1", "[127.0.0.1]" } do
    local listener, _, port = assert(socket.listen(name, 0))
    assert(socket.start(listener, socket.close_fd))
    local client = assert(socket.open(name, port))
    equal(socket.readall(client), "")
    socket.close(client)
  end
end

function cases.open_where_nobody_can_wait_raises_and_opens_nothing()
  local port, listener = harness.listen(socket.close_fd)
  local before = #socket.netstat()
  for _, f in ipairs { socket.open, socket.listen } do
    harness.expect_error("cannot wait here", string.gsub, "x", "x", function()
      f("127.0.0.1", f == socket.open and port or 0)
    end)
  end
  harness.expect_error("cannot wait here", string.gsub, "x", "x", socket.stdin)
  equal(#socket.netstat(), before)
  harness.expect_error("cannot wait here", string.gsub, "x", "x", function()
    socket.start(listener, print)
  end)
  local client = assert(socket.open("127.0.0.1", port)) -- Its callback is still the first one.
  equal(socket.readall(client), "")
  socket.close(client)
end

harness.run(cases, ...)
