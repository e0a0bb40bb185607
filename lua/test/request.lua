-- Does skynet.request collect answers as they come, with failures, dead addresses and a time limit?

local skynet = require "skynet.manager"
local harness = require "harness"

local equal, expect_error = harness.equal, harness.expect_error
local cases = {}
local self = skynet.self()

skynet.dispatch("lua", function(_, _, ticks, ...)
  if ticks == "raise" then
    error "planted"
  end
  skynet.sleep(ticks)
  skynet.retpack(...)
end)

function cases.select_gives_answers_in_the_order_they_come()
  local requests = skynet.request { self, "lua", 6, "late", nil, 3, nil, n = 7 }
  requests:add { self, "lua", 0, "early" }
  requests { self, "lua", 3, "between", key = "of the caller" }
  local order = {}
  for request, answer in requests:select() do
    order[#order + 1] = answer[1]
    equal(request[1], self)
    if answer[1] == "late" then
      equal(answer.n, 4)
      equal(answer[3], 3)
    elseif answer[1] == "between" then
      equal(request.key, "of the caller")
    end
  end
  equal(table.concat(order, " "), "early between late")
  equal(requests.timeout, nil)
end

function cases.select_tells_failed_calls_from_dead_addresses()
  local failed, dead, answered = 0, 0, 0
  for request, answer in skynet.request { self, "lua", "raise" }
    :add { 0xfffff, "lua", 0 }:add { ".nobody", "lua", 0 }:add { self, "lua", 0 }:select(100) do
    if answer then
      answered = answered + 1
    elseif answer == false then
      equal(request[3], "raise")
      failed = failed + 1
    else
      dead = dead + 1
    end
  end
  equal(failed, 1)
  equal(dead, 2)
  equal(answered, 1)
  harness.expect_log "planted"
end

function cases.select_ends_when_the_time_is_over()
  local requests = skynet.request { self, "lua", 0, "in time" }
  requests:add { self, "lua", 30, "too late" }
  local begin, seen = skynet.now(), {}
  for _, answer in requests:select(5) do
    seen[#seen + 1] = answer[1]
  end
  assert(skynet.now() - begin < 25, "waited for the slow one")
  equal(table.concat(seen, " "), "in time")
  equal(requests.timeout, true)
  skynet.sleep(35) -- The late answer is dropped without a word.
end

function cases.select_that_is_left_drops_the_other_answers()
  local tasks = skynet.stat "task"
  for _, answer in skynet.request { self, "lua", 0, 1 }:add { self, "lua", 2, 2 }:select(100) do
    equal(answer[1], 1)
    break
  end
  equal(skynet.stat "task", tasks + 1) -- That of the other request; nobody waits for its answer.
  skynet.sleep(5)
end

function cases.select_of_nothing_ends_at_once()
  for _ in skynet.request():select(1) do
    error "an answer"
  end
  local requests = skynet.request()
  requests:select()
  expect_error("before select", requests.add, requests, {})
  expect_error("called before", requests.select, requests)
end

function cases.requests_of_two_coroutines_do_not_meet()
  local function ask(value)
    local sum = 0
    for _, answer in skynet.request { self, "lua", 1, value }:add { self, "lua", 2, value }:select() do
      equal(answer[1], value)
      sum = sum + answer[1]
    end
    return sum
  end
  local first, second = harness.spawn(ask, 1), harness.spawn(ask, 100)
  equal(first.join(), 2)
  equal(second.join(), 200)
end

harness.run(cases, ...)
