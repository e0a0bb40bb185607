-- Can one look into a service: what its coroutines wait for, what it says of itself? And do programs
-- run that use skynet's traces and limits, which nobody keeps here?

local core = require "skynet.core"
local skynet = require "skynet"
local harness = require "harness"

local equal, expect_error = harness.equal, harness.expect_error
local cases = {}
local self = skynet.self()

local function runner(...)
  return skynet.newservice("runner", ...)
end

--- A session that a forked coroutine, which waits in `f`, waits for; and the coroutine.
local function session_of_a_waiter(f, ...)
  local co = skynet.fork(f, ...)
  skynet.yield()
  return skynet.task(co), co
end

-- Inside of the function that a coroutine begins with a call has its name in the traceback.
local function asleep()
  local function asleep_in_this_function()
    skynet.sleep(100000)
  end
  asleep_in_this_function()
end

local function waits(token)
  local function waits_in_this_function()
    skynet.wait(token)
  end
  waits_in_this_function()
end

function cases.task_tells_what_coroutines_wait_for()
  skynet.yield() -- What the harness forked begins.
  local before = skynet.task()
  local session, sleeper = session_of_a_waiter(asleep)
  local none, waiter = session_of_a_waiter(waits, "token")
  skynet.fork(print) -- Has not begun.
  equal(skynet.task(), before + 3)
  equal(none, nil)
  assert(skynet.task(session):find "asleep_in_this_function")
  equal(skynet.task(session + 1000), "No session")
  local list = {}
  equal(skynet.task(list), nil)
  local count = 0
  for _, stack in pairs(list) do
    assert(stack:find "^stack traceback")
    count = count + 1
  end
  equal(count, before + 3)
  assert(list[("%s session: %d"):format(sleeper, session)]:find "asleep_in_this_function")
  assert(list[tostring(waiter)]:find "waits_in_this_function")
  expect_error('"init" expected', skynet.task, "other")
  skynet.killthread(sleeper)
  equal(skynet.task(session), "No session")
  equal(skynet.task(sleeper), nil)
end

function cases.task_of_the_start_function_is_there_while_it_runs()
  assert(skynet.task "init":find "debugging.lua" == nil) -- The harness runs it, and sleeps.
  assert(skynet.task "init":find "harness.lua")
  local other = runner()
  equal(skynet.call(other, "debug", "TASK", "init"), nil)
  local slow = harness.spawn(runner, "code", "skynet.register '.slow' skynet.wait 'started'")
  harness.eventually(function()
    return skynet.localname ".slow"
  end)
  assert(skynet.call(".slow", "debug", "TASK", "init"):find "CODE")
  skynet.call(".slow", "lua", "run", "skynet.wakeup 'started'")
  slow.join()
  equal(skynet.call(".slow", "debug", "TASK", "init"), nil)
end

function cases.same_tasks_are_told_together()
  local sessions = {}
  for i = 1, 12 do
    sessions[i] = session_of_a_waiter(asleep)
  end
  local _, waiter = session_of_a_waiter(waits, "token")
  session_of_a_waiter(skynet.wait, "another token") -- Alone with its traceback, too.
  local sleepers, waiters
  for head, stack in pairs(skynet.uniqtask()) do
    sleepers = stack:find "asleep_in_this_function" and head or sleepers
    waiters = stack:find "waits_in_this_function" and head or waiters
  end
  local shown = sleepers:match "^12\tsessions:%[([%d,]+)%.%.%.%]\n$"
  local count = 0
  for session in shown:gmatch "%d+" do
    count = count + 1
    assert(table.concat(sessions, ","):find(session), session)
  end
  equal(count, 10)
  equal(waiters, ("1\tsessions:[%s]\n"):format(waiter))
end

function cases.debug_commands_look_into_another_service()
  local other = runner()
  skynet.send(other, "lua", "do", "local function deep() skynet.sleep(100000) end deep()")
  skynet.call(other, "lua", "run", "")
  local sleeping, session = 0, nil
  for key, stack in pairs(skynet.call(other, "debug", "TASK")) do
    if stack:find "deep" then
      sleeping = sleeping + 1
      session = math.tointeger(key:match "session: (%d+)$")
    end
  end
  equal(sleeping, 1)
  assert(skynet.call(other, "debug", "TASK", session):find "deep")
  local heads = {}
  for head, stack in pairs(skynet.call(other, "debug", "UNIQTASK")) do
    heads[#heads + 1] = stack:find "deep" and head
  end
  equal(heads[1], ("1\tsessions:[%d]\n"):format(session))
  equal(skynet.call(other, "debug", "INFO"), nil)
  skynet.call(other, "lua", "run", "skynet.info_func(function(...) return 'info', ... end)")
  local info, argument = skynet.call(other, "debug", "INFO", 7)
  equal(info, "info")
  equal(argument, 7)
  skynet.info_func(function()
    return "own"
  end)
  equal(skynet.call(self, "debug", "INFO"), "own")
  skynet.info_func()
  equal(skynet.call(self, "debug", "INFO"), nil)
end

function cases.traces_do_nothing_but_may_be_called()
  equal(select("#", skynet.trace "info"), 0)
  equal(select("#", skynet.tracetag()), 1)
  equal(skynet.tracetag(), nil)
  skynet.trace_timeout(true)
  skynet.tracelog("tag", "info")
  skynet.traceproto("lua", true)
  expect_error("debugging.lua:%d+: unknown protocol odd", function()
    skynet.traceproto("odd", false)
  end)
  skynet.dispatch("lua", function(_, _, ...)
    skynet.retpack(...)
  end)
  local first, second = skynet.unpack(skynet.tracecall("tag", self, "lua", skynet.pack("a", 2)))
  equal(first, "a")
  equal(second, 2)
  expect_error("call to invalid address", skynet.tracecall, "tag", 0xfffff, "lua", skynet.pack())
end

-- Clocks are read in an order in which a pause between two readings cannot matter.
function cases.hpc_counts_nanoseconds()
  local outer = skynet.hpc()
  local now = skynet.now()
  local inner = skynet.hpc()
  equal(math.type(inner), "integer")
  local last, last_now = inner, now
  repeat
    local next_hpc = skynet.hpc()
    assert(next_hpc >= last, "it went back")
    last, last_now = next_hpc, skynet.now()
  until last_now >= now + 5
  assert(last - inner < (last_now - now + 1) * 10000000, "not nanoseconds") -- now() is cut to 1/100 s.
  local elapsed = skynet.hpc() - outer
  assert(elapsed > (last_now - now - 1) * 10000000, elapsed)
end

function cases.what_nobody_keeps_is_said()
  skynet.memlimit(1 << 20)
  harness.expect_log "no limit of 1048576 bytes is kept"
  equal(#("x"):rep(1 << 22), 1 << 22)
  expect_error("number expected", skynet.memlimit)
  equal(skynet.endless(), false)
  local harbor, remote = skynet.harbor(self)
  equal(harbor, 0)
  equal(remote, false)
  expect_error("address", skynet.harbor, ".launcher")
end

function cases.init_service_starts_in_the_running_coroutine()
  local co
  skynet.init_service(function()
    co = coroutine.running()
    assert(skynet.task "init":find "debugging.lua")
  end)
  equal(co, coroutine.running())
  equal(skynet.task "init", nil)
  local services, ran_on = core.services(), false
  skynet.dispatch("lua", function()
    ran_on = true
  end)
  expect_error("init service runner failed", runner, "code",
    ("skynet.init_service(function() error 'planted' end) skynet.send(%d, 'lua')"):format(self))
  while core.services() > services + 1 do -- The launcher.
    skynet.yield()
  end
  equal(ran_on, false)
end

harness.run(cases, ...)
