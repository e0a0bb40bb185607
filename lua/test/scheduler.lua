-- Do coroutines run in the order, and survive the errors, that skynet's users rely on? No sockets.

local core = require "skynet.core"
local skynet = require "skynet"
local harness = require "harness"

local equal = harness.equal
local cases = {}

-- Outside of skynet.start there is no coroutine to suspend.
local waited_in_main_chunk, main_chunk_error = pcall(skynet.wait)

function cases.woken_coroutines_run_in_order_of_wakeup()
  local order, tokens, all = {}, {}, harness.event()
  for i = 1, 1000 do
    tokens[i] = {}
    skynet.fork(function()
      skynet.wait(tokens[i])
      order[#order + 1] = i
      if #order == 1000 then
        all.set()
      end
    end)
  end
  skynet.yield()
  for i = 1, 1000 do
    assert(skynet.wakeup(tokens[i]))
  end
  equal(#order, 0) -- Nobody runs before we yield.
  all.await()
  for i = 1, 1000 do
    equal(order[i], i)
  end
end

function cases.forks_run_in_order_after_the_running_coroutine_yields()
  local order = {}
  for i = 1, 1000 do
    skynet.fork(function(value)
      order[#order + 1] = value
    end, i)
  end
  equal(#order, 0)
  skynet.yield()
  equal(#order, 1000)
  for i = 1, 1000 do
    equal(order[i], i)
  end
end

function cases.fork_passes_nil_arguments()
  local ended = harness.event()
  skynet.fork(function(...)
    ended.set(select("#", ...), ...)
  end, nil, 2, nil)
  local count, first, second, third = ended.await()
  assert(count == 3 and first == nil and second == 2 and third == nil)
end

function cases.fork_of_too_many_arguments_raises_and_the_next_one_runs()
  local many = {}
  for i = 1, 600000 do
    many[i] = i
  end
  harness.expect_error("stack overflow", function()
    skynet.fork(print, table.unpack(many))
  end)
  local ran = false
  skynet.fork(function()
    ran = true
  end)
  skynet.yield()
  assert(ran)
end

function cases.error_in_a_coroutine_keeps_the_wakeup_queue()
  local woken = 0
  local tokens = { {}, {}, {} }
  for i = 1, 3 do
    skynet.fork(function()
      skynet.wait(tokens[i])
      woken = woken + 1
      error("planted " .. i)
    end)
  end
  skynet.yield()
  skynet.fork(function()
    for i = 1, 3 do
      skynet.wakeup(tokens[i])
    end
    error("planted waker")
  end)
  -- One message later everything that was woken has run: nothing else would have driven the queue.
  skynet.yield()
  equal(woken, 3)
  for _, what in ipairs { "waker", "1", "2", "3" } do
    harness.expect_log("planted " .. what)
  end
end

function cases.error_in_a_coroutine_is_logged_with_its_traceback()
  local function culprit()
    error(setmetatable({}, { __tostring = function() return "an object" end }))
  end
  skynet.fork(function()
    culprit()
  end)
  skynet.fork(error, setmetatable({}, { __tostring = error }))
  skynet.yield()
  local line = harness.expect_log("an object")
  assert(line:find("culprit") and line:find("stack traceback"), line)
  harness.expect_log("error object without text")
end

function cases.wakeup_is_true_only_if_the_token_sleeps()
  local token, runs = {}, 0
  equal(skynet.wakeup(token), false)
  skynet.fork(function()
    skynet.wait(token)
    runs = runs + 1
    skynet.wait(token)
    runs = runs + 1
  end)
  equal(skynet.wakeup(token), false) -- Not asleep yet.
  skynet.yield()
  equal(skynet.wakeup(token), true)
  equal(skynet.wakeup(token), false) -- Already woken; must not wake its next wait.
  skynet.yield()
  equal(runs, 1)
  equal(skynet.wakeup(token), true)
  skynet.yield()
  equal(runs, 2)
end

function cases.interrupted_sleep_returns_break()
  local token = {}
  local sleeper = harness.spawn(function()
    local first = skynet.sleep(2, token)
    return first, skynet.sleep(5, token)
  end)
  skynet.yield()
  assert(skynet.wakeup(token))
  local first, second = sleeper.join()
  equal(first, "BREAK")
  equal(second, nil) -- The first sleep's timer fired meanwhile and must not have ended the second.
end

function cases.sleep_takes_at_least_its_time()
  local begin = skynet.now()
  equal(skynet.sleep(5), nil)
  assert(skynet.now() - begin >= 4, "woke early") -- now() is cut to 1/100 s.
end

function cases.timeouts_fire_in_order_of_time()
  local order, all = {}, harness.event()
  for _, delay in ipairs { 6, 2, 4, 0 } do
    skynet.timeout(delay, function()
      order[#order + 1] = delay
      if #order == 4 then
        all.set()
      end
    end)
  end
  all.await()
  equal(table.concat(order, " "), "0 2 4 6")
end

function cases.second_sleeper_on_a_token_raises()
  local token = {}
  local first = harness.spawn(skynet.wait, token)
  skynet.yield()
  harness.expect_error("another coroutine sleeps", skynet.wait, token)
  harness.expect_error("another coroutine sleeps", skynet.sleep, 1, token)
  assert(skynet.wakeup(token))
  first.join()
end

function cases.sessions_wrap_before_2_to_the_31()
  equal(core.genid(0x7ffffffe), 0x7fffffff)
  equal(core.genid(), 1)
  core.genid(0x7ffffffe)
  equal(skynet.sleep(1), nil) -- Works across the wrap.
end

function cases.session_of_a_sleeper_is_not_given_away()
  local before = core.genid()
  local begin = skynet.now()
  local long = harness.spawn(function()
    skynet.sleep(20)
    return skynet.now() - begin
  end)
  local brief = harness.spawn(function()
    core.genid(before - 1) -- Gives `before`; the next one would be the long sleeper's.
    skynet.sleep(1)
    return skynet.now() - begin
  end)
  assert(brief.join() < 19, "the brief sleeper got the long one's timer")
  assert(long.join() >= 19, "the long sleeper got the brief one's timer")
end

function cases.ended_coroutines_are_used_again()
  local seen, count = {}, 0
  for _ = 1, 100 do
    skynet.fork(function()
      local co = coroutine.running()
      if not seen[co] then
        seen[co], count = true, count + 1
      end
    end)
    skynet.yield()
  end
  assert(count <= 3, count .. " coroutines for 100 forks one after another")
end

function cases.idle_coroutine_holds_no_argument()
  local weak = setmetatable({}, { __mode = "v" })
  skynet.fork(function() end, (function()
    weak[1] = {}
    return weak[1]
  end)())
  skynet.yield()
  collectgarbage()
  collectgarbage()
  equal(weak[1], nil)
end

function cases.memory_is_back_after_a_burst_of_coroutines()
  local function burst()
    for _ = 1, 5000 do
      skynet.fork(skynet.yield)
    end
    skynet.sleep(1)
    skynet.yield()
    collectgarbage()
    collectgarbage()
    return collectgarbage "count"
  end
  local first = burst()
  for _ = 1, 4 do
    burst()
  end
  assert(burst() < first * 1.2 + 100, "bookkeeping of ended coroutines stays")
end

function cases.yield_without_skynet_wait_is_logged_and_dropped()
  skynet.fork(function()
    coroutine.yield "odd"
  end)
  skynet.yield()
  harness.expect_log("yielded without skynet.wait")
end

function cases.killed_timeout_keeps_nothing()
  local kept = setmetatable({ skynet.timeout(100000, print) }, { __mode = "v" })
  skynet.killthread(kept[1])
  collectgarbage()
  collectgarbage()
  equal(kept[1], nil)
end

function cases.woken_sleeper_is_no_task_any_more()
  local before = skynet.stat "task"
  for i = 1, 10 do
    skynet.fork(skynet.sleep, 100000, i)
  end
  skynet.yield()
  equal(skynet.stat "task", before + 10)
  for i = 1, 10 do
    skynet.wakeup(i)
  end
  skynet.yield()
  equal(skynet.stat "task", before)
end

function cases.time_has_hundredths()
  local before = skynet.now()
  local time = skynet.time()
  local ticks = (time - skynet.starttime()) * 100
  assert(ticks >= before - 0.5 and ticks <= skynet.now() + 0.5, ticks)
end

function cases.wait_outside_of_a_coroutine_raises()
  equal(waited_in_main_chunk, false)
  assert(main_chunk_error:find("skynet.start"), main_chunk_error)
end

function cases.wait_inside_of_a_c_function_raises_and_wakes_nobody_later()
  local function inside(f, ...)
    local arguments = table.pack(...)
    local ok, err = pcall(string.gsub, "x", "x", function()
      f(table.unpack(arguments, 1, arguments.n))
    end)
    assert(not ok and err:find "C%-call boundary", err)
  end
  inside(skynet.sleep, 1)
  inside(skynet.call, skynet.self(), "debug", "PING")
  inside(skynet.wait, "token")
  assert(not pcall(skynet.sleep, 1, 0 / 0)) -- No token.
  equal(skynet.wakeup "token", false)
  equal(skynet.stat "task", 2) -- The harness's own.
  equal(skynet.sleep(10), nil)
  harness.forget_log "unknown session" -- Of the timer that NaN left.
end

function cases.exit_ends_a_service_whose_coroutines_wait()
  for _ = 1, 10 do
    skynet.fork(skynet.wait)
    skynet.fork(skynet.sleep, 100000)
  end
  skynet.yield()
end -- The harness calls skynet.exit(); the process must end.

harness.run(cases, ...)
