--- The scheduler of one service: many coroutines, one of them running at a time.
--
-- A coroutine that waits has yielded "SLEEP" and is found again through a token (`sleeping`) or, if
-- a timer will wake it, through a session (`sessions`). Waking it puts it into a queue; the queue
-- runs, first in first out, whenever the running coroutine has yielded, ended or failed. A coroutine
-- whose function has returned goes back to a pool.
--
-- Do not wait inside a coroutine of your own (coroutine.wrap): only coroutines made here are resumed.
-- @module skynet

local core = require "skynet.core"

local running, resume, yield = coroutine.running, coroutine.resume, coroutine.yield
local table_pack, table_unpack = table.pack, table.unpack
local math_type = math.type

local skynet = {
  PTYPE_TEXT = 0,
  PTYPE_RESPONSE = 1,
  PTYPE_SYSTEM = 4,
  PTYPE_SOCKET = 6,
  PTYPE_ERROR = 7,
}

local PTYPE_RESPONSE = skynet.PTYPE_RESPONSE
local POOL_MAX = 1024 -- Idle coroutines kept, so that a burst does not hold memory for ever.

local pool = {} -- Idle coroutines.
local sleeping = {} -- token -> coroutine in wait() | session of a sleep().
local sessions = {} -- session -> coroutine in sleep() | function of timeout() | "BREAK".
local protocols = {} -- type number or name -> protocol.
local ready, ready_first, ready_last = {}, 1, 0 -- Woken coroutines.
local forks, forks_first, forks_last = {}, 1, 0 -- Packed {coroutine, function, arguments...}.
local stopped = false -- exit() was called: nothing runs any more.

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

local function describe(err)
  local ok, text = pcall(tostring, err)
  return ok and text or "(error object without text)"
end

--- Deals with a coroutine that has just given control back.
local function settle(co, ok, command)
  if ok and (command == "SLEEP" or command == "EXIT") then
    return
  end
  if not ok then
    core.error(debug.traceback(co, describe(command)))
  elseif command ~= "QUIT" then
    core.error(debug.traceback(co, "coroutine yielded without skynet.wait: it is dropped"))
  end
  coroutine.close(co)
end

local function run(co, ...)
  settle(co, resume(co, ...))
end

--- Runs woken coroutines in order of wake-up, then forked ones, until none is left.
local function run_queues()
  while not stopped do
    if ready_first <= ready_last then
      local co = ready[ready_first]
      ready[ready_first] = nil
      ready_first = ready_first + 1
      run(co, "BREAK")
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

--- A session nobody waits for: after 2^31-1 sessions a long sleep may still hold its own.
local function next_session()
  local session = core.genid()
  while sessions[session] do
    session = core.genid()
  end
  return session
end

local function on_response(session)
  local waiting = sessions[session]
  sessions[session] = nil
  if type(waiting) == "thread" then
    run(waiting)
  elseif type(waiting) == "function" then
    run(co_create(), waiting)
  elseif waiting == nil then
    core.error("response with unknown session " .. session .. " dropped")
  end -- "BREAK": the sleep was interrupted before its timer fired.
end

local function on_message(ptype, session, source)
  local protocol = protocols[ptype]
  if protocol == nil or protocol.dispatch == nil then
    core.error("message of unknown type " .. ptype .. " dropped")
  elseif protocol.inline then
    local ok, err = xpcall(protocol.dispatch, debug.traceback, session, source, protocol.unpack())
    if not ok then
      core.error(describe(err))
    end
  else
    run(co_create(), protocol.dispatch, session, source, protocol.unpack())
  end
end

local function dispatch(ptype, session, source)
  if stopped then
    return
  end
  if ptype == PTYPE_RESPONSE then
    on_response(session)
  else
    on_message(ptype, session, source)
  end
  run_queues()
end

local function this_coroutine()
  local co, is_main = running()
  if is_main then
    error("cannot wait here: call it in a coroutine, e.g. inside skynet.start", 3)
  end
  return co
end

--- Makes the script a service: runs `f` in a coroutine once the script has ended.
-- An error in `f` ends the service, and the process exits with 1.
-- @tparam function f
function skynet.start(f)
  core.callback(dispatch)
  skynet.timeout(0, function()
    local ok, err = xpcall(f, debug.traceback)
    if not ok then
      stopped = true
      core.fail(describe(err))
      yield "QUIT"
    end
  end)
end

--- Runs `f(...)` in a coroutine of its own after the running one yields; forks start in order.
-- @treturn thread the coroutine, which is also the token to wake it by default.
function skynet.fork(f, ...)
  local co = co_create()
  forks_last = forks_last + 1
  forks[forks_last] = table_pack(co, f, ...)
  return co
end

--- Suspends until wakeup(token).
-- @param[opt] token anything but nil; default: the running coroutine.
-- @raises outside of a coroutine, or when another coroutine sleeps on the token.
function skynet.wait(token)
  local co = this_coroutine()
  token = token or co
  if sleeping[token] then
    error("another coroutine sleeps on this token", 2)
  end
  sleeping[token] = co
  yield "SLEEP"
end

--- Wakes who sleeps on `token`; it runs after the running coroutine yields.
-- @treturn boolean false if nobody sleeps on it (or was woken already).
function skynet.wakeup(token)
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
  ready_last = ready_last + 1
  ready[ready_last] = co
  return true
end

--- Suspends for `ti` hundredths of a second.
-- @tparam integer ti
-- @param[opt] token for wakeup(); default: the running coroutine.
-- @treturn string|nil "BREAK" if wakeup() ended it early.
function skynet.sleep(ti, token)
  local co = this_coroutine()
  token = token or co
  if sleeping[token] then
    error("another coroutine sleeps on this token", 2)
  end
  local session = next_session()
  core.timeout(session, ti)
  sessions[session] = co
  sleeping[token] = session
  local result = yield "SLEEP"
  if result == nil then
    sleeping[token] = nil
  end
  return result
end

--- Lets other coroutines and messages have their turn.
function skynet.yield()
  return skynet.sleep(0)
end

--- Runs `f()` in a coroutine after `ti` hundredths of a second.
function skynet.timeout(ti, f)
  assert(type(f) == "function", "function expected")
  local session = next_session()
  core.timeout(session, ti)
  sessions[session] = f
end

--- @treturn integer the handle of this service.
skynet.self = core.self

--- @treturn integer hundredths of a second since the process started; never goes back.
skynet.now = core.now

--- Writes its arguments, separated by spaces, as one log line with time and service handle.
function skynet.error(...)
  local parts = table_pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i])
  end
  core.error(table.concat(parts, " "))
end

--- Ends the service: its sockets are closed, waiting coroutines never run again. Does not return
-- when called in a coroutine.
function skynet.exit()
  stopped = true
  core.exit()
  if coroutine.isyieldable() then
    yield "QUIT"
  end
end

--- Adds a message type.
-- @tparam table class `name`, `id`, `unpack` (returns what the message being handled says) and
-- `dispatch(session, source, ...)`; with `inline` true, dispatch runs without a coroutine, so it
-- must not wait.
function skynet.register_protocol(class)
  assert(protocols[class.name] == nil and protocols[class.id] == nil, "protocol registered twice")
  protocols[class.name] = class
  protocols[class.id] = class
end

--- Sets the dispatch function of a message type; returns the one before.
function skynet.dispatch(name, f)
  local protocol = assert(protocols[name], "unknown protocol")
  local before = protocol.dispatch
  protocol.dispatch = f or before
  return before
end

return skynet
