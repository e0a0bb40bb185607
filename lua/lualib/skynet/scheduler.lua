--- The coroutines of one service: many of them, one running at a time.
--
-- A coroutine that waits has yielded "SLEEP" and is found again through a token (`sleeping`) or, if
-- a timer or an answer will wake it, through a session (`sessions`). Waking it puts it into a
-- queue; the queue runs, first in first out, whenever the running coroutine has yielded, ended or
-- failed. A coroutine whose function has returned goes back to a pool.
-- @module skynet.scheduler

local core = require "skynet.core"

local running, resume, yield = coroutine.running, coroutine.resume, coroutine.yield
local isyieldable, close = coroutine.isyieldable, coroutine.close
local traceback = debug.traceback -- A script may take `debug` away, e.g. from code that it loads.
local table_pack, table_unpack = table.pack, table.unpack
local math_type = math.type

local scheduler = {
  thread_of = {}, -- Coroutine of skynet.coroutine -> the one of ours that it runs inside of.
  -- Calls visit(co) for the coroutines that wait in calls of C, until one call returns true: that
  -- one is taken out of its call and returned, with the token it waited on.
  elsewhere = function() end,
}

local POOL_MAX = 1024 -- Idle coroutines kept, so that a burst does not hold memory for ever.

local pool = {} -- Idle coroutines.
local sleeping = {} -- token -> coroutine in wait() | session of a sleep().
local sessions = {} -- session -> coroutine | function that gets the answer | "BREAK": nobody waits.
local starts = {} -- coroutine of a timeout() -> its function.
local ready, ready_first, ready_last = {}, 1, 0 -- Woken coroutines; false: killed meanwhile.
local forks, forks_first, forks_last = {}, 1, 0 -- Packed {coroutine, function, arguments...}.
local stopped = false -- stop() was called: nothing runs any more.

local serve

local function idle()
  if #pool >= POOL_MAX then
    return "EXIT"
  end
  pool[#pool + 1] = running()
  return serve(yield "EXIT")
end

--- What a pooled coroutine does for ever: run a function, wait in the pool, run the next one. The
-- tail call gives up `f` and its arguments before it waits.
function serve(f, ...)
  f(...)
  return idle()
end

local function co_create()
  return table.remove(pool) or coroutine.create(serve)
end

--- The text of an error, whatever was raised.
function scheduler.describe(err)
  local ok, text = pcall(tostring, err)
  return ok and text or "(error object without text)"
end

--- Called by skynet.exit() while coroutines still run; may suspend.
scheduler.before_exit = function() end

--- Called with a coroutine that will not go on, so that who waits for its answer can be told.
scheduler.on_drop = function() end

--- Called with a coroutine that raised, whose stack is still there.
scheduler.on_fail = function() end

--- Called with the token that a coroutine slept on that was killed.
scheduler.on_kill = function() end

--- Deals with a coroutine that has just given control back.
local function settle(co, ok, command)
  if ok and (command == nil or command == "SLEEP" or command == "EXIT") then
    return
  end
  if not ok then
    core.error(traceback(co, scheduler.describe(command)))
    scheduler.on_fail(co)
  elseif command == "USER" then
    core.error(traceback(co, "skynet.coroutine.yield outside of a skynet.coroutine.resume"))
  elseif command ~= "QUIT" then
    core.error(traceback(co, "coroutine yielded without skynet.wait: it is dropped"))
  end
  scheduler.on_drop(co)
  close(co)
end

local function run(co, ...)
  settle(co, resume(co, ...))
end

--- Runs `f(...)` in a coroutine, now. Not to be called in one.
function scheduler.run(f, ...)
  return run(co_create(), f, ...)
end

--- Runs woken coroutines in order of wake-up, then forked ones, until none is left.
function scheduler.run_queues()
  while not stopped do
    if ready_first <= ready_last then
      local co = ready[ready_first]
      ready[ready_first] = nil
      ready_first = ready_first + 1
      if co then
        run(co, "BREAK")
      end
    elseif forks_first <= forks_last then
      local fork = forks[forks_first]
      forks[forks_first] = nil
      forks_first = forks_first + 1
      run(table_unpack(fork, 1, fork.n))
    else
      ready_first, ready_last = 1, 0
      forks_first, forks_last = 1, 0
      return
    end
  end
end

local function make_ready(co)
  ready_last = ready_last + 1
  ready[ready_last] = co
  core.queued()
end

--- Runs a suspended coroutine after the running one yields. Requires: nobody else will.
scheduler.ready = make_ready

--- The coroutine of ours that runs; nil outside of one.
function scheduler.current()
  local co, is_main = running()
  return not is_main and (scheduler.thread_of[co] or co) or nil
end

--- The same, and the one of skynet.coroutine inside of it if there is one. Raises where nobody can
-- wait, before anything is registered that would wake the coroutine out of something else later.
local function this_coroutine()
  local co, is_main = running()
  if is_main then
    core.raise "cannot wait here: call it in a coroutine, e.g. inside skynet.start"
  elseif not isyieldable() then
    core.raise "cannot wait here: attempt to yield across a C-call boundary"
  end
  return scheduler.thread_of[co] or co, co
end

--- A session nobody waits for: after 2^31-1 sessions a long sleep may still hold its own.
function scheduler.next_session()
  local session = core.genid()
  while sessions[session] do
    session = core.genid()
  end
  return session
end

--- Suspends until answer(session) or fail(session). Requires: it is nobody else's.
-- @treturn boolean|string true with an answer
-- @return memory and size of the answer, valid until the coroutine yields
-- @raises outside of a coroutine
function scheduler.await(session)
  sessions[session] = this_coroutine()
  return yield "SLEEP"
end

--- Lets `f(ok, memory, size)` have the answer of a session, outside of a coroutine.
function scheduler.on_answer(session, f)
  sessions[session] = f
end

--- Nobody waits for the session's answer any more.
function scheduler.forget(session)
  sessions[session] = "BREAK"
end

--- Wakes who waits for `session`, at once. Not to be called in a coroutine.
-- @treturn boolean false if the session is unknown
function scheduler.answer(session, ok, memory, size)
  local waiting = sessions[session]
  sessions[session] = nil
  if type(waiting) == "thread" then
    local f = starts[waiting]
    if f then
      starts[waiting] = nil
      run(waiting, f)
    else
      run(waiting, ok, memory, size)
    end
  elseif type(waiting) == "function" then
    waiting(ok, memory, size)
  end -- "BREAK": who waited was woken or killed before.
  return waiting ~= nil
end

--- Wakes who waits for `session`, without an answer, after the running coroutine yields.
function scheduler.fail(session)
  local waiting = sessions[session]
  sessions[session] = nil
  if type(waiting) == "thread" then
    make_ready(waiting)
  elseif type(waiting) == "function" then
    waiting(false)
  end
end

--- Raises outside of a coroutine that may wait.
function scheduler.check()
  this_coroutine()
end

--- Runs `f(...)` in a coroutine of its own after the running one yields; forks start in order.
-- @treturn thread the coroutine, which is also the token to wake it by default.
function scheduler.fork(f, ...)
  local co = co_create()
  local fork = table_pack(co, f, ...) -- Raises when there is no room for the arguments.
  forks_last = forks_last + 1
  forks[forks_last] = fork
  core.queued()
  return co
end

--- Suspends until wakeup(token).
-- @param[opt] token anything but nil; default: the running coroutine.
-- @raises outside of a coroutine, or when another coroutine sleeps on the token.
function scheduler.wait(token)
  local thread, co = this_coroutine()
  token = token or co
  if sleeping[token] then
    error("another coroutine sleeps on this token", 2)
  end
  sleeping[token] = thread
  yield "SLEEP"
end

--- Wakes who sleeps on `token`; it runs after the running coroutine yields.
-- @treturn boolean false if nobody sleeps on it (or was woken already).
function scheduler.wakeup(token)
  local co = sleeping[token]
  if co == nil then
    return false
  end
  sleeping[token] = nil
  if math_type(co) then
    local session = co
    co = sessions[session]
    sessions[session] = "BREAK" -- Its timer will still fire.
  end
  make_ready(co)
  return true
end

--- Suspends for `ti` hundredths of a second.
-- @tparam integer ti
-- @param[opt] token for wakeup(); default: the running coroutine.
-- @treturn string|nil "BREAK" if wakeup() ended it early.
function scheduler.sleep(ti, token)
  local thread, co = this_coroutine()
  token = token or co
  if sleeping[token] then
    error("another coroutine sleeps on this token", 2)
  end
  local session = scheduler.next_session()
  core.timeout(session, ti)
  sleeping[token] = session -- Raises for NaN.
  sessions[session] = thread
  if yield "SLEEP" == "BREAK" then
    return "BREAK"
  end
  sleeping[token] = nil
end

--- Lets other coroutines and messages have their turn.
function scheduler.yield()
  return scheduler.sleep(0)
end

--- Runs `f()` in a coroutine after `ti` hundredths of a second.
-- @treturn thread the coroutine, for killthread().
function scheduler.timeout(ti, f)
  if type(f) ~= "function" then
    core.raise "function expected"
  end
  local session = scheduler.next_session()
  core.timeout(session, ti)
  local co = co_create()
  starts[co] = f
  sessions[session] = co
  return co
end

--- Takes the coroutine that is `wanted`, or whose text contains it, out of what waits.
local function take(wanted)
  local function matches(co)
    return co == wanted
      or type(wanted) == "string" and type(co) == "thread" and tostring(co):find(wanted, 1, true)
  end
  for i = forks_first, forks_last do
    local co = forks[i][1]
    if matches(co) then
      table.move(forks, i + 1, forks_last, i)
      forks[forks_last] = nil
      forks_last = forks_last - 1
      return co
    end
  end
  for i = ready_first, ready_last do
    local co = ready[i]
    if matches(co) then
      ready[i] = false
      return co
    end
  end
  local found, its_session
  for session, co in pairs(sessions) do
    if matches(co) then
      found, its_session = co, session
      sessions[session] = "BREAK" -- An answer or a timer may still come.
      break
    end
  end
  for token, co in pairs(sleeping) do
    if matches(co) or found and co == its_session then
      sleeping[token] = nil
      return found or co, token
    end
  end
  if found then
    return found
  end
  return scheduler.elsewhere(matches)
end

--- Ends a coroutine that waits or has not begun: its to-be-closed variables are closed, and who
-- waits for its answer gets an error.
-- @tparam thread|string thread the coroutine, or a part of its tostring()
-- @treturn thread|nil the coroutine; nil if it does not wait
function scheduler.killthread(thread)
  local co, token = take(thread)
  if co == nil then
    return
  end
  starts[co] = nil
  if token ~= nil then
    scheduler.on_kill(token)
  end
  scheduler.on_drop(co)
  close(co)
  return co
end

--- Calls visit(co, session) for every coroutine that waits or has not begun; the session is that of
-- the timer or answer that will wake it, nil if something else will. `visit` must wake nobody.
function scheduler.each(visit)
  for i = ready_first, ready_last do
    if ready[i] then
      visit(ready[i])
    end
  end
  for i = forks_first, forks_last do
    visit(forks[i][1])
  end
  for session, co in pairs(sessions) do
    if type(co) == "thread" then
      visit(co, session)
    end
  end
  for _, co in pairs(sleeping) do
    if type(co) == "thread" then -- The others have sessions.
      visit(co)
    end
  end
  scheduler.elsewhere(function(co)
    visit(co)
  end)
end

--- Nothing runs any more but the running coroutine: those that wait are closed.
function scheduler.stop()
  stopped = true
  local waiting = {}
  scheduler.each(function(co)
    waiting[#waiting + 1] = co
  end)
  for _, co in ipairs(waiting) do
    close(co)
  end
end

--- Ends the running coroutine of a service that was told to end.
function scheduler.quit()
  if isyieldable() then
    yield "QUIT"
  end
end

core.coroutines(settle, scheduler.run_queues)

return scheduler
