--- Services: `require "skynet"` is what a script needs to be one. The functions are in the modules
-- `skynet.scheduler` (coroutines), `skynet.messages`, `skynet.services`, `skynet.request` and
-- `skynet.require`; `skynet.manager` adds what services that forward or watch need.
-- @module skynet

local core = require "skynet.core"
local scheduler = require "skynet.scheduler"
local messages = require "skynet.messages"
local services = require "skynet.services"
local modules = require "skynet.require"
local tasks = require "skynet.tasks"
local debugging = require "skynet.debugging"

local skynet = {
  request = require "skynet.request",
  require = modules.require,
  init = modules.init,
  genid = scheduler.next_session,
  task = tasks.task,
  uniqtask = tasks.uniqtask,
}

for name, value in pairs(messages) do
  if name:find "^PTYPE_" then
    skynet[name] = value
  end
end

for _, name in ipairs { "fork", "killthread", "sleep", "timeout", "wait", "wakeup", "yield" } do
  skynet[name] = scheduler[name]
end

for _, name in ipairs {
  "address", "call", "context", "dispatch", "dispatch_message", "dispatch_unknown_request",
  "dispatch_unknown_response", "ignoreret", "rawcall", "rawsend", "redirect", "register_protocol",
  "response", "ret", "retpack", "send", "term",
} do
  skynet[name] = messages[name]
end

for _, name in ipairs {
  "abort", "getenv", "harbor", "init_service", "kill", "launch", "localname", "name", "newservice",
  "queryservice", "register", "setenv", "uniqueservice",
} do
  skynet[name] = services[name]
end

--- self() is the handle of this service; now() hundredths of a second since starttime(), the second
-- of UTC in which the node started: it never goes back. pack(...) makes memory and its size,
-- packstring(...) a string; unpack(memory, size | string) gives the values back. tostring(memory,
-- size) copies memory into a string; trash(memory, size) frees it. hpc() is a monotonic time in ns.
for _, name in ipairs {
  "hpc", "now", "pack", "packstring", "self", "starttime", "tostring", "trash", "unpack",
} do
  skynet[name] = core[name]
end

--- @treturn number seconds of UTC, to 1/100.
function skynet.time()
  return core.starttime() + core.now() / 100
end

--- Makes the script a service: runs `f` in a coroutine once the script has ended.
-- An error in `f` ends the service; if it is the node's first one, the process exits with 1.
-- @tparam function f
function skynet.start(f)
  core.callback(messages.dispatch_message)
  services.run_start(f)
end

--- Writes its arguments, separated by spaces, as one log line with time and service handle.
function skynet.error(...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i])
  end
  core.error(table.concat(parts, " "))
end

--- Ends the service: its sockets are closed, waiting coroutines never run again, and who waits for
-- its answers gets errors. Does not return when called in a coroutine.
function skynet.exit()
  scheduler.before_exit()
  services.tell_launcher("REMOVE", core.self(), false)
  scheduler.stop()
  core.exit()
  scheduler.quit()
end

--- @treturn integer messages that wait for this service
function skynet.mqlen()
  return (core.stat())
end

--- A figure of this service.
-- @tparam string what "mqlen": as mqlen(); "message": messages handled so far; "task": coroutines
-- that wait
-- @treturn integer|nil nil for anything else: no time is measured
function skynet.stat(what)
  local waiting, handled = core.stat()
  if what == "mqlen" then
    return waiting
  elseif what == "message" then
    return handled
  elseif what == "task" then
    return tasks.task()
  end
end

--- In skynet whether the watchdog has named this service since the last call. Here it tells nobody
-- but standard error.
-- @treturn boolean false
function skynet.endless()
  return false
end

--- In skynet a limit of what the service's VM may allocate. Here none is kept, which is logged.
-- @tparam integer bytes
-- @raises for what is none
function skynet.memlimit(bytes)
  if math.tointeger(bytes) == nil then
    core.raise("bad argument #1 to 'memlimit' (number expected, got " .. type(bytes) .. ")")
  end
  core.error(("memlimit: no limit of %d bytes is kept"):format(bytes))
end

debugging.register(skynet)

return skynet
