--- Coroutines of a program's own inside of a service. What waits in one (a call, a sleep, a read)
-- suspends the whole coroutine of the service around it, then goes on where it was.
-- @module skynet.coroutine

local core = require "skynet.core"
local scheduler = require "skynet.scheduler"

local native = coroutine
local native_resume, native_yield, native_status = native.resume, native.yield, native.status

local M = {}

local thread_of = setmetatable({}, { __mode = "k" }) -- coroutine -> the service's that resumed it.
scheduler.thread_of = thread_of
core.nest_coroutines()
local blocked = setmetatable({}, { __mode = "k" }) -- coroutine that waits -> true.

M.isyieldable = native.isyieldable
M.running = native.running

--- @tparam function f
-- @treturn thread
function M.create(f)
  local co = native.create(f)
  thread_of[co] = false
  return co
end

--- @treturn boolean whether `co` was made here
function M.isskynetcoroutine(co)
  return thread_of[co] ~= nil
end

--- The service's coroutine that runs `co` (default: the running one).
-- @treturn thread|nil nil if none does
function M.thread(co)
  co = co or native.running()
  local thread = thread_of[co]
  if thread == nil then
    return co, false
  end
  return thread or nil, true
end

local settle

--- Gives `co` what the service was woken with.
local function continue(co, ...)
  blocked[co] = nil
  return settle(co, native_resume(co, ...))
end

--- What to do after `co` gave control back.
function settle(co, ok, command, ...)
  if not ok or native_status(co) == "dead" then
    thread_of[co] = false
    return ok, command, ...
  elseif command == "USER" then
    thread_of[co] = false
    return true, ...
  end
  -- It waits, and so do we. What wakes us is for it.
  blocked[co] = true
  return continue(co, native_yield(command, ...))
end

--- As coroutine.resume.
-- @treturn boolean
-- @return what it yielded or returned, or the error
function M.resume(co, ...)
  if thread_of[co] == nil then
    return false, "not a coroutine of skynet.coroutine"
  elseif blocked[co] then
    return false, "cannot resume a coroutine that waits in another coroutine of the service"
  end
  if native_status(co) ~= "suspended" then
    return native_resume(co) -- Says what is wrong.
  end
  thread_of[co] = scheduler.current() or false
  return settle(co, native_resume(co, ...))
end

--- As coroutine.yield: gives control back to who resumed this coroutine.
function M.yield(...)
  return native_yield("USER", ...)
end

--- As coroutine.status; "blocked" for one that waits.
function M.status(co)
  local status = native_status(co)
  return status == "suspended" and blocked[co] and "blocked" or status
end

--- As coroutine.close; one that waits cannot be closed.
function M.close(co)
  if blocked[co] then
    core.raise "cannot close a coroutine that waits"
  end
  return native.close(co)
end

--- As coroutine.wrap.
function M.wrap(f)
  local co = M.create(f)
  local function checked(ok, ...)
    if not ok then
      error((...), 0)
    end
    return ...
  end
  return function(...)
    return checked(M.resume(co, ...))
  end
end

return M
