--- What the coroutines of a service wait for, for whoever looks into one that hangs.
-- @module skynet.tasks

local scheduler = require "skynet.scheduler"

local traceback = debug.traceback

local SESSIONS_SHOWN = 10

local tasks = {}
local starting -- The coroutine that runs the start function.

--- Says that the running coroutine runs the start function, until the result is closed.
function tasks.begin_start()
  starting = coroutine.running()
  return setmetatable({}, {
    __close = function()
      starting = nil
    end,
  })
end

local function count_all()
  local count = 0
  scheduler.each(function()
    count = count + 1
  end)
  return count
end

local function fill(list)
  scheduler.each(function(co, session)
    local key = session and ("%s session: %d"):format(co, session) or tostring(co)
    list[key] = traceback(co)
  end)
end

--- What is known of the one for which is_wanted(co, session); nil if there is none.
local function find(is_wanted, describe)
  local found
  scheduler.each(function(co, session)
    if is_wanted(co, session) then
      found = describe(co, session)
    end
  end)
  return found
end

--- The coroutines that wait or have not begun.
-- @tparam[opt] table|integer|string|thread wanted a table: gets "thread: ADDRESS session: N", or
-- without a session "thread: ADDRESS" -> traceback; a session: whose traceback is returned; "init":
-- that of the start function; a coroutine: whose session is returned
-- @return without an argument their number; "No session" for an unknown session; nil for an unknown
-- coroutine, and for "init" once the start function has ended
function tasks.task(wanted)
  local kind = type(wanted)
  if wanted == nil then
    return count_all()
  elseif kind == "table" then
    return fill(wanted)
  elseif wanted == "init" then
    return starting and traceback(starting)
  elseif math.type(wanted) == "integer" then
    return find(function(_, session)
      return session == wanted
    end, traceback) or "No session"
  elseif kind == "thread" then
    return find(function(co)
      return co == wanted
    end, function(_, session)
      return session
    end)
  end
  error('table, session, coroutine or "init" expected', 2)
end

--- The same, those with the same traceback together.
-- @treturn table "COUNT\tsessions:[N,...]\n" -> traceback; a coroutine without a session is named
function tasks.uniqtask()
  local groups = {}
  scheduler.each(function(co, session)
    local stack = traceback(co)
    local group = groups[stack] or { count = 0, sessions = {} }
    groups[stack] = group
    group.count = group.count + 1
    if #group.sessions < SESSIONS_SHOWN then
      group.sessions[#group.sessions + 1] = session or tostring(co) -- Or two keys could be the same.
    end
  end)
  local list = {}
  for stack, group in pairs(groups) do
    local sessions = table.concat(group.sessions, ",")
    local more = group.count > SESSIONS_SHOWN and "..." or ""
    list[("%d\tsessions:[%s%s]\n"):format(group.count, sessions, more)] = stack
  end
  return list
end

return tasks
