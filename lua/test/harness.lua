--- Runs one case of a test script and makes the process fail if it raises, hangs or logs what it did
-- not announce. A script ends with `harness.run(cases, ...)`; its argument names the case.

local core = require "skynet.core"
local skynet = require "skynet"
local socket = require "skynet.socket"

-- What C++ does for sockets, Lua can do as well: the same cases want the same of it.
if os.getenv "SKYSOCK_TEST_SOCKETS_IN_LUA" then
  core.see_sockets()
  core.nest_coroutines()
end

local harness = {}

local LIMIT = 4000 -- 1/100 s: a case that takes longer hangs. Most take a thousandth of it.
local log = {} -- Lines logged and not yet expected.

function core.error(line)
  log[#log + 1] = line
end

--- Something that happens once and that others wait for.
function harness.event()
  local event = { happened = false, results = nil }
  function event.set(...)
    assert(not event.happened, "event happened twice")
    event.happened, event.results = true, table.pack(...)
    skynet.wakeup(event)
  end
  --- Waits for it, at most until the case's limit; returns what set() got.
  function event.await()
    while not event.happened do
      skynet.wait(event)
    end
    return table.unpack(event.results, 1, event.results.n)
  end
  return event
end

--- Runs `f(...)` in a coroutine; join() on the result waits and returns what it returned, or raises.
function harness.spawn(f, ...)
  local ended = harness.event()
  skynet.fork(function(...)
    ended.set(xpcall(f, debug.traceback, ...))
  end, ...)
  local function checked(ok, ...)
    if not ok then
      error((...), 0)
    end
    return ...
  end
  return {
    join = function()
      return checked(ended.await())
    end,
    has_ended = function()
      return ended.happened
    end,
  }
end

--- Asserts that a line with `pattern` was logged, and takes it out of the log.
function harness.expect_log(pattern)
  for i, line in ipairs(log) do
    if line:find(pattern) then
      return table.remove(log, i)
    end
  end
  error("nothing logged matches " .. pattern .. "; logged: " .. table.concat(log, "\n"), 2)
end

--- Takes every line with `pattern` out of the log.
function harness.forget_log(pattern)
  for i = #log, 1, -1 do
    if log[i]:find(pattern) then
      table.remove(log, i)
    end
  end
end

--- Asserts that f(...) raises, with a text that matches.
function harness.expect_error(pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok, "no error raised")
  assert(tostring(err):find(pattern), "other error raised: " .. tostring(err))
end

--- Asserts equality and says what differs.
function harness.equal(actual, expected)
  if actual ~= expected then
    error(("%q expected, got %q"):format(expected, actual), 2)
  end
end

--- Asserts that `actual`, packed with its length as `n`, is the values that follow.
function harness.same_list(actual, ...)
  harness.equal(actual.n, select("#", ...))
  for i = 1, actual.n do
    harness.equal(actual[i], (select(i, ...)))
  end
end

--- Lets forked coroutines begin, and what was sent to this service be handled.
function harness.let_run()
  for _ = 1, 3 do
    skynet.yield()
  end
end

--- Sends back what comes on a connection that was accepted, until its end, and closes it.
function harness.echo(id)
  assert(socket.start(id))
  local data = socket.read(id)
  while data do
    socket.write(id, data)
    data = socket.read(id)
  end
  socket.close(id)
end

--- Waits until `condition()` is true, at most until the case's limit; returns its value.
function harness.eventually(condition)
  local value = condition()
  while not value do
    skynet.sleep(1)
    value = condition()
  end
  return value
end

--- What netstat says of `id`; nil when there is no such socket.
function harness.info(id)
  for _, info in ipairs(socket.netstat()) do
    if info.id == id then
      return info
    end
  end
end

--- Waits until netstat says `state` of `id`.
function harness.await_state(id, state)
  harness.eventually(function()
    local info = harness.info(id)
    return (info and info.state or "free") == state
  end)
end

--- A listener on a free port that runs `serve(id)` for every connection; returns port, listener.
function harness.listen(serve)
  local listener, address, port = assert(socket.listen("127.0.0.1", 0))
  harness.equal(address, "127.0.0.1")
  assert(socket.start(listener, serve))
  return port, listener
end

--- A port of 127.0.0.1 that nobody listens on, and that the kernel gives to nobody who asks for any port:
-- connections of other processes take freed ports of the range it gives from.
function harness.closed_port()
  local file <close> = assert(io.open("/proc/sys/net/ipv4/ip_local_port_range"))
  local first, last = file:read("n", "n")
  local lowest, highest = 1024, first - 1
  if first <= 1024 then
    lowest, highest = last + 1, 65535
  end
  for _ = 1, 100 do
    local port = math.random(lowest, highest)
    local listener = socket.listen("127.0.0.1", port)
    if listener then
      socket.close(listener)
      return port
    end
  end
  error "no closed port found"
end

--- Both ends of a started connection: client id, server id. That much output waits is not logged.
function harness.pair()
  local accepted = harness.event()
  local port = harness.listen(function(id)
    assert(socket.start(id))
    accepted.set(id)
  end)
  local client = assert(socket.open("127.0.0.1", port))
  local server = accepted.await()
  socket.warning(client, function() end)
  socket.warning(server, function() end)
  return client, server
end

--- Pseudo-random bytes, the same for the same seed.
function harness.bytes(count, seed)
  math.randomseed(seed)
  local parts = {}
  for i = 1, count // 8 + 1 do
    parts[i] = string.pack("<j", math.random(0))
  end
  return table.concat(parts):sub(1, count)
end

function harness.run(cases, name)
  local case = assert(cases[name], "no such case")
  skynet.start(function()
    local body = harness.spawn(case)
    local watch = coroutine.running()
    skynet.fork(function()
      pcall(body.join)
      skynet.wakeup(watch)
    end)
    skynet.sleep(LIMIT)
    assert(body.has_ended(), name .. " hangs")
    body.join()
    assert(#log == 0, "unexpected log: " .. table.concat(log, "\n"))
    if core.services() > 1 then
      core.abort() -- The case launched others, which would live on.
    end
    skynet.exit()
  end)
end

return harness
