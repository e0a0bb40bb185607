-- Do critical sections (skynet.queue) keep their order, whatever happens inside, and do coroutines of a
-- program's own (skynet.coroutine) go on where they waited?

local skynet = require "skynet"
local queue = require "skynet.queue"
local co = require "skynet.coroutine"
local harness = require "harness"

local equal, expect_error = harness.equal, harness.expect_error
local cases = {}

function cases.queue_runs_one_after_another_in_order()
  local lock, order, inside, ended = queue(), {}, 0, {}
  for i = 1, 50 do
    ended[i] = harness.spawn(lock, function(value)
      inside = inside + 1
      equal(inside, 1)
      if i % 5 == 0 then
        skynet.sleep(1)
      end
      order[#order + 1] = value
      inside = inside - 1
      return value, nil, "last"
    end, i)
  end
  for i = 1, 50 do
    local value, hole, last = ended[i].join()
    assert(value == i and hole == nil and last == "last")
    equal(order[i], i)
  end
end

function cases.queue_lets_nobody_in_whom_others_woke()
  local lock, inside = queue(), 0
  local function enter()
    inside = inside + 1
    equal(inside, 1)
    skynet.sleep(2)
    inside = inside - 1
  end
  local first = harness.spawn(lock, enter)
  local thread
  local second = harness.spawn(function()
    thread = coroutine.running()
    lock(enter)
  end)
  skynet.yield()
  skynet.wakeup(thread)
  first.join()
  second.join()
end

function cases.queue_is_not_given_to_who_could_not_wait_for_it()
  local lock = queue()
  local first = harness.spawn(lock, skynet.sleep, 2)
  local second = harness.spawn(function()
    expect_error("cannot wait here", string.gsub, "x", "x", function()
      lock(error, "inside")
    end)
    equal(skynet.sleep(5), nil) -- Not woken as if its turn had come.
  end)
  first.join()
  second.join()
  equal(lock(select, 2, 1, "free"), "free")
end

function cases.queue_may_be_entered_again_by_who_is_inside()
  local lock = queue()
  local waiting
  equal(lock(function()
    waiting = harness.spawn(lock, function() return "waited" end)
    skynet.yield()
    local inner = lock(lock, function() return "inner" end)
    skynet.yield()
    equal(waiting.has_ended(), false)
    return inner
  end), "inner")
  equal(waiting.join(), "waited")
end

function cases.queue_is_left_when_its_function_raises()
  local lock, err = queue(), {}
  local ok, raised = pcall(lock, error, err)
  equal(ok, false)
  equal(raised, err)
  equal(harness.spawn(lock, function() return "entered" end).join(), "entered")
end

function cases.queue_lets_nobody_overtake_who_waits()
  local lock, order = queue(), {}
  local function enter(who)
    lock(function()
      order[#order + 1] = who
      skynet.yield()
    end)
  end
  local others = { harness.spawn(enter, "second"), harness.spawn(enter, "third") }
  enter "first"
  enter "fourth" -- Has not yielded since it left.
  others[1].join()
  others[2].join()
  equal(table.concat(order, " "), "first second third fourth")
end

function cases.queue_is_left_by_a_killed_coroutine()
  local lock, order = queue(), {}
  local threads = {}
  for i = 1, 4 do
    threads[i] = skynet.fork(lock, function()
      skynet.wait(i)
      order[#order + 1] = i
    end)
  end
  skynet.yield()
  equal(skynet.killthread(threads[2]), threads[2]) -- Waits for its turn.
  equal(skynet.killthread(threads[1]), threads[1]) -- Is inside.
  skynet.yield()
  skynet.wakeup(3)
  skynet.yield()
  skynet.wakeup(4)
  skynet.yield()
  equal(table.concat(order, " "), "3 4")
end

function cases.queue_goes_on_when_the_next_is_killed_on_its_way_in()
  local lock, entered = queue(), {}
  local threads = {}
  lock(function()
    for i = 1, 2 do
      threads[i] = skynet.fork(lock, function()
        entered[#entered + 1] = i
      end)
    end
    skynet.yield()
  end)
  equal(skynet.killthread(threads[1]), threads[1]) -- Its turn has come; it has not run yet.
  skynet.yield()
  equal(#entered, 1)
  equal(entered[1], 2)
  equal(lock(function() return "free" end), "free")
end

function cases.coroutines_wait_and_go_on()
  local generator = co.wrap(function(...)
    local sum = 0
    for _, value in ipairs { ... } do
      skynet.sleep(1) -- Suspends the coroutine of the service around it.
      sum = sum + value + co.yield(sum)
    end
    return "end", sum
  end)
  equal(generator(1, 2), 0)
  equal(generator(10), 11)
  local text, sum = generator(100)
  equal(text, "end")
  equal(sum, 113)
  expect_error("dead", generator)
end

function cases.coroutine_that_waits_is_blocked_for_others()
  local inner = co.create(function()
    skynet.wait "token"
    return "woken"
  end)
  local outer = harness.spawn(co.resume, inner)
  skynet.yield()
  equal(co.status(inner), "blocked")
  local ok, reason = co.resume(inner)
  equal(ok, false)
  assert(reason:find "waits", reason)
  expect_error("waits", co.close, inner)
  skynet.wakeup "token"
  local ended, result = outer.join()
  equal(ended, true)
  equal(result, "woken")
  equal(co.status(inner), "dead")
end

function cases.coroutine_that_raises_returns_the_error()
  local inner = co.create(function()
    skynet.yield()
    error { code = 7 }
  end)
  local ok, err = co.resume(inner)
  equal(ok, false)
  equal(err.code, 7)
  equal(co.resume(inner), false)
  equal(co.resume(coroutine.create(print)), false)
end

function cases.coroutines_know_the_thread_around_them()
  local thread = coroutine.running()
  local inner
  inner = co.create(function()
    equal(co.running(), inner)
    equal(co.isyieldable(), true)
    equal(co.thread(), thread)
    co.wrap(function()
      equal(co.thread(), thread)
      equal(co.status(inner), "normal")
      skynet.sleep(1)
    end)()
    equal(select(2, co.resume(inner)):find "non%-suspended" ~= nil, true)
    equal(co.thread(), thread)
    co.yield()
  end)
  equal(co.thread(inner), nil)
  equal(co.resume(inner), true)
  equal(co.status(inner), "suspended")
  equal(co.thread(inner), nil)
  equal(co.close(inner), true)
  equal(co.isskynetcoroutine(inner), true)
  equal(co.isskynetcoroutine(thread), false)
  local plain, is_ours = co.thread(thread)
  equal(plain, thread)
  equal(is_ours, false)
end

function cases.coroutine_yield_outside_is_logged()
  skynet.fork(co.yield)
  skynet.yield()
  harness.expect_log "skynet.coroutine.yield outside"
end

harness.run(cases, ...)
