-- Does every wrong call raise at the line of the program, and does the log of a callback that raised
-- have that line, too? What the calls want of their arguments beyond that: the scripts beside this one.

local skynet = require "skynet.manager"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local socketchannel = require "skynet.socketchannel"
local co = require "skynet.coroutine"
local netpack = require "skynet.netpack"
local gateserver = require "snax.gateserver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

--- Every function of the list raises at its own line, with a text that matches what stands before it.
local function all_raise(list)
  local wrong = {}
  for i = 1, #list, 2 do
    local ok, err = pcall(list[i + 1])
    local line = debug.getinfo(list[i + 1], "S").linedefined
    if ok or not tostring(err):find(("^[^:]*misuse.lua:%d: %s"):format(line, list[i])) then
      wrong[#wrong + 1] = ("line %d: %s"):format(line, ok and "nothing raised" or tostring(err))
    end
  end
  assert(#wrong == 0, table.concat(wrong, "\n"))
end

function cases.wrong_calls_of_sockets_raise_at_their_line()
  local client = harness.pair()
  local listener = assert(socket.listen("127.0.0.1", 0))
  local udp = socket.udp_listen("127.0.0.1", 0)
  local closed = harness.pair()
  socket.onclose(closed, print)
  socket.abandon(closed)
  socket.onclose(closed, print)
  all_raise {
    "socket 9 is not open here", function() socket.read(9) end,
    "socket nil is not open here", function() socket.read() end,
    "socket 9 is not open here", function() socket.read(9, 1) end,
    "socket 9 is not open here", function() socket.readline(9) end,
    "socket 9 is not open here", function() socket.readall(9) end,
    "socket 9 is not open here", function() socket.limit(9, 1) end,
    "socket 9 is not open here", function() socket.warning(9, print) end,
    "socket %d+ is a listener", function() socket.read(listener) end,
    "socket %d+ is a datagram socket", function() socket.readline(udp) end,
    "bad argument #2 to 'read'", function() socket.read(client, -1) end,
    "bad argument #2 to 'read'", function() socket.read(client, 1.5) end,
    "bad argument #2 to 'readline'", function() socket.readline(client, "") end,
    "bad argument #2 to 'readline'", function() socket.readline(client, {}) end,
    "bad argument #3 to 'readline'", function() socket.readline(client, "x", "y") end,
    "number of bytes expected, got string", function() socket.limit(client, "1") end,
    "function expected, got string", function() socket.warning(client, "print") end,
    "function expected, got boolean", function() socket.onclose(client, true) end,
    "function expected, got number", function() socket.udp(1) end,
    "function expected, got table", function() socket.udp_listen("127.0.0.1", 0, {}) end,
    "function expected, got string", function() socket.udp_dial("127.0.0.1", 1, "print") end,
    "function expected, got string", function() socket.udp_connect(udp, "127.0.0.1", 1, "print") end,
    "callback expected", function() socket.start(listener, 1) end,
    "callback expected", function() socket.start(listener) end,
    "socket %d+ is not closed", function() socket.start(client) end,
    "socket %d+ has an onclose", function() socket.start(closed) end,
    "bad argument #1 to 'start' .*id expected", function() socket.start() end,
    "bad argument #1 to 'start'", function() socket.start(0) end,
    "no option is called 'odd'", function() socket.start(client, { odd = 1 }) end,
    "no option is called 'odd'", function() socket.listen("127.0.0.1", 0, { odd = 1 }) end,
    "table of options expected", function() socket.open("127.0.0.1", 1, 1) end,
    "use socket.close", function() socket.close_fd(client) end,
    "bad argument #1 to 'bind'", function() socket.bind(-1) end,
    "bad argument #1 to 'pause'", function() driver.pause(0) end,
    "socket %d+ is not a datagram", function() socket.udp_connect(client, "127.0.0.1", 1) end,
    "udp_connect: ", function() socket.udp_connect(99, "127.0.0.1", 1) end,
    "bad argument #1 to 'udp_address'", function() socket.udp_address "x" end,
    "bad argument #2 to 'write'", function() socket.write(client, print) end,
    "bad argument #2 to 'lwrite'", function() socket.lwrite(client, true) end,
    "bad argument #3 to 'sendto'", function() socket.sendto(udp, "x", print) end,
    "bad argument #1 to 'header'", function() socket.header "12345" end,
    "resolve no%-such%-host.invalid: ", function() socket.resolve "no-such-host.invalid" end,
    "bad argument #1 to 'resolve'", function() socket.resolve "" end,
  }
end

function cases.calls_on_a_socket_that_another_coroutine_uses_raise_at_their_line()
  local client, server = harness.pair()
  local reader = harness.spawn(socket.read, server, 3)
  skynet.yield()
  all_raise {
    "another coroutine waits on socket", function() socket.read(server) end,
    "another coroutine waits on socket", function() socket.readline(server) end,
    "another coroutine waits on socket", function() socket.readall(server) end,
    "another coroutine waits on socket", function() socket.block(server) end,
  }
  socket.write(client, "123")
  equal(reader.join(), "123")
  reader = harness.spawn(socket.readline, server, "X")
  skynet.yield()
  all_raise {
    "another coroutine waits on socket", function() socket.readline(server, "Y") end,
  }
  local closer = harness.spawn(socket.close, server)
  harness.spawn(all_raise, {
    "socket %d+ is being closed", function() socket.close(server) end,
  }).join()
  closer.join()
  reader.join()
end

function cases.wrong_calls_of_services_raise_at_their_line()
  local function nothing() end
  local waits = co.create(function() skynet.wait "token" end)
  harness.spawn(co.resume, waits)
  skynet.yield()
  local requests = skynet.request()
  for _ in requests:select() do end
  local channel = socketchannel.channel { host = "127.0.0.1", port = 1 }
  local port = harness.listen(harness.echo)
  local by_session = socketchannel.channel { host = "127.0.0.1", port = port, response = nothing }
  all_raise {
    "protocol name expected", function() skynet.register_protocol {} end,
    "protocol id", function() skynet.register_protocol { name = "x", id = 256 } end,
    "protocol registered twice", function() skynet.register_protocol { name = "lua", id = 99 } end,
    "unknown protocol odd", function() skynet.dispatch("odd", nothing) end,
    "unknown protocol odd", function() skynet.send(1, "odd") end,
    "unknown protocol odd", function() skynet.call(1, "odd") end,
    "unknown protocol nil", function() skynet.redirect(1, 2) end,
    "call to invalid address .odd", function() skynet.call(".odd", "lua") end,
    "call to invalid address .odd", function() skynet.rawcall(".odd", "lua", "") end,
    "No session", function() skynet.retpack(1) end,
    "no session", function() skynet.response() end,
    "a name that is no address", function() skynet.name("", 1) end,
    "a name that is no address", function() skynet.register ":1" end,
    "a name that is no address", function() skynet.register() end,
    "service address", function() skynet.harbor ".odd" end,
    "init service odd failed", function() skynet.newservice "odd" end,
    "init service odd failed", function() skynet.monitor "odd" end,
    "function expected", function() skynet.init() end,
    "function expected", function() skynet.timeout(1) end,
    "another coroutine sleeps", function() skynet.wait "token" end,
    "another coroutine sleeps", function() skynet.sleep(1, "token") end,
    "table, session, coroutine", function() skynet.task(print) end,
    "cannot close a coroutine that waits", function() co.close(waits) end,
    "a table, before select", function() requests:add {} end,
    "select%(%) was called before", function() requests:select() end,
    "host expected", function() socketchannel.channel {} end,
    "port expected", function() socketchannel.channel { host = "x" } end,
    "connect expected", function() gateserver.start {} end,
    "message expected", function() gateserver.start { connect = nothing } end,
    "bad argument #1 to 'new'", function() netpack.new(3) end,
    "bad argument #1 to 'memlimit'", function() skynet.memlimit "x" end,
  }
  equal(channel.__host, "127.0.0.1")
  equal(by_session.__port, port)
end

--- The log has to begin with the line of `f` and to have it in its traceback, too.
local function expect_logged(f, text)
  local at = ("misuse.lua:%d: "):format(debug.getinfo(f, "S").linedefined)
  local logged = harness.eventually(function()
    local found, line = pcall(harness.expect_log, at .. text)
    return found and line
  end)
  assert(logged:find("^[^\n]*" .. at .. text) and logged:find("traceback:.*\n[^\n]*" .. at .. "in "), logged)
end

function cases.errors_in_callbacks_are_logged_with_their_line()
  local function planted() error "planted" end
  local udp
  local function misuses() socket.readline(udp) end
  for _, callback in ipairs { planted, misuses } do
    local text = callback == planted and "planted" or "socket %d+ is a datagram socket"
    udp = socket.udp_listen("127.0.0.1", 0, callback)
    harness.await_state(udp, "udp")
    local address = harness.info(udp).sock
    local sender = socket.udp_dial(address, nil, print)
    socket.write(sender, "x")
    expect_logged(callback, text)
    equal(socket.disconnected(udp), false)

    local client, server = harness.pair()
    socket.warning(client, callback)
    socket.onclose(server, callback)
    socket.write(client, ("x"):rep(32 << 20))
    expect_logged(callback, text)
    assert(socket.read(server, 32 << 20))
    expect_logged(callback, text) -- Of the warning that all is sent.
    socket.close(client)
    expect_logged(callback, text)
    equal(socket.read(server), false)

    local ended = assert(socket.open("127.0.0.1", (harness.listen(callback))))
    expect_logged(callback, text)
    equal(socket.read(ended), false)
    harness.forget_log(text) -- Of warnings in between.
  end
end

harness.run(cases, ...)
