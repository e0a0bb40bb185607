-- Are services launched, found, named, told of each other's ends and killed as in skynet?

local core = require "skynet.core"
local skynet = require "skynet.manager"
local socket = require "skynet.socket"
local harness = require "harness"

local equal, expect_error = harness.equal, harness.expect_error
local cases, handlers = {}, {}
local self = skynet.self()

skynet.dispatch("lua", function(_, source, name, ...)
  handlers[name](source, ...)
end)

local function run(service, code, ...)
  return skynet.call(service, "lua", "run", code, ...)
end

--- Waits until nobody lives at an address.
local function await_end(service)
  while skynet.send(service, "lua", "run", "") do
    skynet.yield()
  end
end

function cases.newservice_passes_words_as_arguments()
  local other = skynet.newservice("runner", "one", 2, 3.5, true, "two words")
  equal(run(other, "return table.concat(arguments, '|')"), "one|2|3.5|true|two|words")
  equal(run(other, "return SERVICE_NAME"), "runner")
  assert(run(other, "return SERVICE_PATH"):find "test/$")
end

function cases.newservice_returns_when_the_start_function_has_ended()
  local begin = skynet.now()
  skynet.newservice("runner", "code", "skynet.sleep(10)")
  assert(skynet.now() - begin >= 9, "returned early")
end

function cases.newservice_that_fails_raises_and_leaves_nothing()
  local services = core.services()
  local function fails(...)
    expect_error("init service .* failed", skynet.newservice, ...)
  end
  fails("runner", "code", "error 'planted at start'")
  fails "no_such_service"
  fails("runner", "code", "skynet.sleep(1) error 'planted later'")
  fails("runner", "code", "skynet.kill(skynet.self()) skynet.sleep(100)")
  while core.services() > services + 1 do -- The launcher.
    skynet.yield()
  end
  equal(skynet.newservice("runner", "code", "skynet.exit()"), nil)
end

function cases.launch_does_not_wait()
  local other = skynet.launch("snlua", "runner code skynet.sleep(5)", "started=true")
  equal(math.type(other), "integer")
  equal(run(other, "return started"), nil)
  repeat
    skynet.sleep(1)
  until run(other, "return started")
  equal(skynet.launch("logger", "file"), nil)
  harness.expect_log "cannot launch logger file"
end

function cases.uniqueservice_is_launched_once_however_many_ask()
  local asked = {}
  for i = 1, 20 do
    asked[i] = harness.spawn(i % 2 == 0 and skynet.uniqueservice or skynet.queryservice, "runner")
  end
  local others = {}
  for i = 1, 3 do
    local other = skynet.newservice "runner"
    others[i] = harness.spawn(run, other, "return skynet.uniqueservice('runner', 'code', 'skynet.sleep(3)')")
  end
  local unique = skynet.uniqueservice(true, "runner")
  for i = 1, 20 do
    equal(asked[i].join(), unique)
  end
  for i = 1, 3 do
    equal(others[i].join(), unique)
  end
  equal(skynet.queryservice(true, "runner"), unique)
end

function cases.queryservice_waits_for_the_start()
  local query = harness.spawn(skynet.queryservice, "runner")
  skynet.sleep(2)
  equal(query.has_ended(), false)
  local launch = harness.spawn(skynet.uniqueservice, "runner", "code", "skynet.sleep(5) up = true")
  equal(run(query.join(), "return up"), true)
  equal(launch.join(), query.join())
end

function cases.uniqueservice_that_fails_raises_for_all_and_may_be_tried_again()
  local waiting = harness.spawn(pcall, skynet.queryservice, "runner")
  skynet.yield()
  expect_error("init service runner failed", skynet.uniqueservice, "runner", "code", "error 'planted'")
  equal(waiting.join(), false)
  local unique = skynet.uniqueservice "runner"
  equal(run(unique, "return 1"), 1)
  skynet.kill(unique)
  await_end(unique)
  repeat -- Until the launcher knows.
    local other = skynet.uniqueservice "runner"
  until other ~= unique
end

function cases.names_lead_to_a_service_until_it_ends()
  local other = skynet.newservice "runner"
  equal(skynet.localname ".other", nil)
  equal(skynet.name(".other", other), true)
  equal(skynet.localname ".other", other)
  equal(run(".other", "return skynet.self()"), other)
  equal(run(skynet.address(other), "return skynet.self()"), other)
  equal(skynet.name(".other", self), false)
  equal(skynet.name(".second", ".other"), true)
  equal(skynet.name(".third", ".nobody"), false)
  equal(skynet.name(".third", skynet.address(other)), true)
  skynet.kill ".nobody"
  equal(run(other, "return skynet.register '.registered'"), true)
  equal(skynet.localname ".registered", other)
  equal(skynet.register "global", true)
  equal(skynet.localname "global", self)
  expect_error("no address", skynet.name, ":0000000a", other)
  skynet.kill(skynet.address(other))
  await_end(other)
  equal(skynet.localname ".other", nil)
  equal(skynet.name(".other", self), true)
end

function cases.killed_service_closes_its_sockets_and_answers_its_callers()
  local other = skynet.newservice "runner"
  local port = run(other, [[
    local socket = require "skynet.socket"
    local listener, _, port = socket.listen("127.0.0.1", 0)
    socket.start(listener, function(id) socket.start(id) end)
    return port]])
  local id = assert(socket.open("127.0.0.1", port))
  local called = harness.spawn(pcall, skynet.call, other, "lua", "do", "skynet.wait()")
  local responding = harness.spawn(pcall, skynet.call, other, "lua", "do", "kept = skynet.response()")
  skynet.yield() -- The calls are sent.
  run(other, "")
  skynet.kill(other)
  equal(called.join(), false)
  equal(responding.join(), false)
  equal(socket.read(id), false)
  socket.close(id)
  skynet.kill(other) -- Again: ignored.
end

function cases.exit_answers_callers_and_drops_what_waits()
  local other = skynet.newservice "runner"
  local called = harness.spawn(pcall, skynet.call, other, "lua", "do", [[
    local target = ...
    local guard <close> = setmetatable({}, { __close = function()
      skynet.send(target, "lua", "closed")
    end })
    skynet.wait()]], self)
  local closed = harness.event()
  function handlers.closed()
    closed.set()
  end
  skynet.yield() -- The call is sent.
  run(other, "")
  local exiting = harness.spawn(pcall, run, other, "skynet.fork(error, 'runs on') skynet.exit() error 'runs on'")
  equal(called.join(), false)
  equal(exiting.join(), false)
  closed.await()
  expect_error("call to invalid address", run, other, "")
end

function cases.exit_closes_the_variables_of_coroutines_that_wait()
  local closed = {}
  function handlers.closed(_, what)
    closed[what] = true
  end
  local other = skynet.newservice("runner")
  run(other, [[
    local test = ...
    local socket = require "skynet.socket"
    local function wait_in(what, f)
      skynet.fork(function()
        local _ <close> = setmetatable({}, { __close = function()
          skynet.send(test, "lua", "closed", what)
        end })
        f()
      end)
    end
    local id
    local listener, address, port = assert(socket.listen("127.0.0.1", 0))
    assert(socket.start(listener, function(accepted)
      id = assert(socket.start(accepted))
    end))
    assert(socket.open(address, port))
    while not id do
      skynet.yield()
    end
    wait_in("read", function() socket.read(id) end)
    wait_in("sleep", function() skynet.sleep(100000) end)
    wait_in("wait", skynet.wait)
    skynet.yield()
    skynet.fork(skynet.exit)
  ]], self)
  await_end(other)
  harness.eventually(function()
    return closed.read and closed.sleep and closed.wait
  end)
end

function cases.answers_for_a_service_that_is_gone_are_dropped()
  local other, asked = skynet.newservice "runner", harness.event()
  function handlers.slow()
    asked.set()
    skynet.sleep(3)
    equal(skynet.retpack "late", false)
  end
  skynet.send(other, "lua", "do", "skynet.call(..., 'lua', 'slow')", self)
  asked.await()
  skynet.kill(other)
  await_end(other)
  skynet.sleep(5)
end

function cases.messages_that_wait_for_a_killed_service_are_answered()
  local other = skynet.newservice "runner"
  local calls = {}
  skynet.send(other, "lua", "do", "local till = skynet.now() + 5 repeat until skynet.now() >= till")
  for i = 1, 50 do
    calls[i] = harness.spawn(pcall, run, other, "skynet.wait()")
  end
  skynet.yield()
  skynet.kill(other)
  for i = 1, 50 do
    equal(calls[i].join(), false)
  end
end

function cases.services_that_end_at_random_moments_leave_no_caller_waiting()
  math.randomseed(5)
  local services = core.services()
  for _ = 1, 30 do
    local other = skynet.newservice "runner"
    local calls = {}
    for i = 1, 10 do
      calls[i] = harness.spawn(pcall, run, other, "skynet.sleep(...) return 1", i % 3)
    end
    local ends = { "skynet.exit()", "skynet.kill(skynet.self())", "skynet.wait()" }
    calls[11] = harness.spawn(pcall, run, other, ends[math.random(#ends)])
    skynet.sleep(math.random(0, 1))
    skynet.kill(other)
    for i = 1, 11 do
      calls[i].join()
    end
  end
  while core.services() > services + 1 do
    skynet.yield()
  end
end

function cases.launcher_lists_kills_and_asks_services()
  local other = skynet.newservice("runner", "argument")
  local address = skynet.address(other)
  local function ask(...)
    return skynet.call(".launcher", "lua", ...)
  end
  equal(ask("LIST")[address], "snlua runner argument")
  assert(ask("LIST")[skynet.address(self)], "the first service is not listed")
  local stat = ask("STAT", 100)[address]
  equal(stat.mqlen, 0)
  assert(stat.message > 0 and stat.task >= 0)
  assert(ask("MEM")[address]:find "^[%d.]+ Kb %(snlua runner argument%)$")
  assert(ask("GC")[address]:find "Kb")
  run(other, "skynet.dispatch('debug', skynet.ignoreret)")
  equal(ask("STAT", 5)[address], "TIMEOUT (snlua runner argument)")
  equal(ask("KILL", other)[address], "snlua runner argument")
  equal(ask("LIST")[address], nil)
  await_end(other)
  expect_error("call failed", ask, "ODD")
end

function cases.monitor_hears_of_every_end()
  local watch = skynet.monitor "runner"
  run(watch, [[
    gone = {}
    skynet.register_protocol {
      name = "client", id = skynet.PTYPE_CLIENT, unpack = function() end,
      dispatch = function(_, source) gone[source] = true end,
    }]])
  local other = skynet.newservice "runner"
  skynet.kill(other)
  repeat
    skynet.yield()
  until run(watch, "return gone[...]", other)
end

--- Lets `watch` keep what it hears of ends: source -> session, and how many values were unpacked.
local function keep_ends(watch)
  run(watch, [[
    gone, heard = {}, 0
    skynet.register_protocol {
      name = "client", id = skynet.PTYPE_CLIENT, unpack = skynet.tostring,
      dispatch = function(session, source, ...)
        heard = heard + 1
        gone[source] = { session, select("#", ...) }
      end,
    }]])
end

local function heard_of(watch, service)
  return run(watch, "return gone[...]", service)
end

function cases.monitor_gets_one_client_message_however_a_service_ends()
  local watch = skynet.monitor "runner"
  keep_ends(watch)
  local endings = {
    "skynet.timeout(0, skynet.exit)",
    "skynet.timeout(0, function() skynet.kill(skynet.self()) end)",
    "skynet.timeout(1, function() skynet.send('.launcher', 'lua', 'KILL', skynet.self()) end)",
  }
  for _, ending in ipairs(endings) do
    local other = skynet.newservice("runner", "code", ending)
    local told = harness.eventually(function()
      return heard_of(watch, other)
    end)
    equal(told[1], 0)
    equal(told[2], 0) -- There is nothing to be said.
  end
  equal(run(watch, "return heard"), #endings)
  expect_error("init service .* failed", skynet.newservice, "runner", "code", "error 'planted'")
  harness.eventually(function()
    return run(watch, "return heard") == #endings + 1
  end)
end

function cases.monitor_launches_the_service_unless_it_is_there()
  local watch = skynet.monitor "runner"
  equal(skynet.uniqueservice "runner", watch)
  equal(skynet.monitor "runner", watch)
  equal(skynet.monitor("runner", true), watch)
  expect_error("init service no_such_service failed", skynet.monitor, "no_such_service")
end

function cases.monitor_with_query_waits_for_who_launches_the_service()
  local services = core.services()
  local monitor = harness.spawn(skynet.monitor, "runner", true)
  harness.eventually(function()
    return core.services() == services + 1 -- The launcher, which was asked.
  end)
  skynet.newservice("runner", "code", "skynet.timeout(0, skynet.exit)") -- Another one: not meant.
  assert(not monitor.has_ended())
  local watch = skynet.uniqueservice "runner"
  equal(monitor.join(), watch)
  keep_ends(watch)
  local other = skynet.newservice "runner"
  skynet.kill(other)
  harness.eventually(function()
    return heard_of(watch, other)
  end)
end

function cases.monitor_is_the_service_that_was_named_last()
  local first = skynet.monitor "runner"
  local second = skynet.monitor "runner two" -- Another name.
  assert(first ~= second)
  keep_ends(first)
  keep_ends(second)
  local function ends_for(watch, deaf)
    local other = skynet.newservice "runner"
    skynet.kill(other)
    harness.eventually(function()
      return heard_of(watch, other)
    end)
    equal(heard_of(deaf, other) == nil, true)
  end
  ends_for(second, first)
  skynet.monitor "runner"
  ends_for(first, second)
end

function cases.settings_are_shared_and_set_once()
  local other = skynet.newservice "runner"
  equal(skynet.getenv "of_this_test", nil)
  skynet.setenv("of_this_test", 12)
  equal(skynet.getenv "of_this_test", "12")
  equal(run(other, "return skynet.getenv 'of_this_test'"), "12")
  expect_error("Can't setenv exist key : of_this_test", skynet.setenv, "of_this_test", 13)
  expect_error("call failed", run, other, "skynet.setenv('of_this_test', 14)")
  equal(skynet.getenv "of_this_test", "12")
  equal(skynet.getenv "start", "services")
end

function cases.init_functions_run_before_the_start()
  local other = skynet.newservice("runner", "code", "early = early or 'too late'")
  equal(run(other, "return early"), "too late")
  local order = {}
  skynet.init(function() -- After the start: at once.
    order[1] = "now"
  end)
  equal(order[1], "now")
end

function cases.modules_that_wait_while_they_load_are_loaded_once()
  package.preload.slow_module = function(name)
    skynet.init(function()
      skynet.sleep(1)
      SLOW_MODULE_READY = true
    end)
    skynet.sleep(2)
    SLOW_MODULE_LOADS = (SLOW_MODULE_LOADS or 0) + 1
    return { name = name }
  end
  local first = harness.spawn(require, "slow_module")
  local second = harness.spawn(skynet.require, "slow_module")
  equal(first.join(), second.join())
  equal(first.join().name, "slow_module")
  equal(SLOW_MODULE_LOADS, 1)
  equal(SLOW_MODULE_READY, true)
  package.preload.circle = function()
    require "circle"
  end
  expect_error("requires itself", require, "circle")
  expect_error("module 'no_such_module' not found:.*no file", require, "no_such_module")
  package.preload.broken = function()
    error "planted in a module"
  end
  expect_error("planted in a module", require, "broken")
  package.preload.broken = function() end
  equal(require "broken", true)
end

function cases.init_function_of_a_module_runs_though_another_module_failed()
  package.preload["fails while it loads"] = function()
    error "planted"
  end
  local ran = false
  package.preload["goes on"] = function()
    assert(not pcall(require, "fails while it loads"))
    skynet.init(function()
      ran = true
    end)
    equal(ran, false)
  end
  require "goes on"
  equal(ran, true)
end

function cases.filter_changes_messages_before_they_are_handled()
  local other = skynet.newservice "runner"
  run(other, [[
    count = 0
    skynet.filter(function(ptype, memory, size, session, source)
      count = count + 1
      return ptype, memory, size, session, source
    end, function() end)]])
  equal(run(other, "return count > 0"), true)
end

function cases.abort_ends_the_node()
  skynet.newservice("runner", "code", "skynet.abort()")
  skynet.wait()
end

harness.run(cases, ...)
