-- When services raise, exit or are killed at random moments, with connections and calls in both
-- directions: is every caller told, every socket closed, and nothing left?
-- Usage: skysock lua/test/ends.lua CASE [SEED]

local core = require "skynet.core"
local skynet = require "skynet.manager"
local socket = require "skynet.socket"
local harness = require "harness"

local equal = harness.equal
local cases = {}
local seed = math.tointeger(tonumber((select(2, ...)))) or 1
local MOMENTS = 100

skynet.dispatch("lua", function(_, _, ticks, ...)
  skynet.sleep(ticks)
  skynet.retpack(...)
end)

local VICTIM = [[
  local port, main = tonumber(skynet.getenv "port"), tonumber(skynet.getenv "main")
  local socket = require "skynet.socket"
  local function talk()
    local id = socket.open("127.0.0.1", port)
    while id and socket.write(id, ("x"):rep(math.random(1, 5000))) and socket.read(id) do end
  end
  skynet.fork(talk)
  skynet.fork(talk)
  skynet.fork(function() while true do skynet.call(main, "lua", 0, "question") end end)
  skynet.fork(function() while true do skynet.call(main, "lua", 1, "slow question") end end)
  skynet.sleep(math.random(0, 2))]]

-- A peer that ends with data under way may well reset the connection, which is logged.
local log = core.error
function core.error(line)
  if not line:find "^socket %d+: error: " then
    log(line)
  end
end

local function echo(id)
  assert(socket.start(id))
  local data = socket.read(id)
  while data and socket.write(id, data) do
    data = socket.read(id)
  end
  socket.close(id)
end

--- Calls it until it is gone; counts the calls that were answered.
local function ask_until_gone(victim, answered)
  repeat
    local ok, answer = pcall(skynet.call, victim, "lua", "run", "skynet.sleep(math.random(0, 1)) return 'here'")
    if ok then
      equal(answer, "here")
      answered.count = answered.count + 1
    end
  until not ok
end

local endings = {
  function(victim) skynet.kill(victim) end,
  function(victim) skynet.send(victim, "lua", "do", "skynet.exit()") end,
  function(victim) skynet.send(victim, "lua", "do", "skynet.kill(skynet.self())") end,
  function(victim) skynet.call(".launcher", "lua", "KILL", victim) end,
}

--- One service that ends.
local function one(answered)
  if math.random(5) == 1 then -- It fails while it starts.
    equal(pcall(skynet.newservice, "runner", "code", VICTIM, "error 'planted'"), false)
    return
  end
  local victim = skynet.newservice("runner", "code", VICTIM)
  local callers = {}
  for i = 1, 3 do
    callers[i] = harness.spawn(ask_until_gone, victim, answered)
  end
  skynet.sleep(math.random(0, 3))
  endings[math.random(#endings)](victim)
  for _, caller in ipairs(callers) do
    caller.join()
  end
end

function cases.services_end_at_random_moments_under_traffic()
  math.randomseed(seed)
  local port, listener = harness.listen(echo)
  skynet.setenv("port", port)
  skynet.setenv("main", skynet.self())
  local slots, services = core.counts().slots_used, core.services()
  local answered = { count = 0 }
  for _ = 1, MOMENTS / 4 do
    local together = {}
    for i = 1, 4 do
      together[i] = harness.spawn(one, answered)
    end
    for i = 1, 4 do
      together[i].join()
    end
  end
  assert(answered.count > MOMENTS, "no traffic: " .. answered.count)
  while core.services() > services + 1 or core.counts().slots_used > slots do
    skynet.sleep(1)
  end
  equal(skynet.call(".launcher", "lua", "LIST")[skynet.address(skynet.self())], "snlua ends")
  socket.close(listener)
end

--- Calls `take_away()`, then raises "first" in a coroutine that data wakes, and "second" in one that
-- it has woken before.
local function raise_twice(take_away)
  local client, server = harness.pair()
  skynet.fork(function()
    socket.read(server)
    skynet.fork(error, "second")
    error "first"
  end)
  skynet.yield()
  take_away()
  socket.write(client, "x")
  skynet.sleep(5)
end

function cases.errors_are_logged_in_a_script_without_the_module_debug()
  local kept = debug
  raise_twice(function()
    debug = nil
  end)
  harness.pair() -- A connection is accepted.
  debug = kept
  harness.expect_log "first"
  harness.expect_log "second"
end

function cases.script_that_takes_away_what_the_scheduler_needs_ends_nothing_else()
  local kept = pcall
  raise_twice(function()
    pcall = nil
  end)
  pcall = kept
  harness.forget_log "global 'pcall'" -- Most of it went to standard error.
  local client, server = harness.pair()
  socket.write(client, "y")
  equal(socket.read(server), "y")
end

harness.run(cases, ...)
