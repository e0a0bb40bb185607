--- Launching and finding services.
-- @module skynet.services

local core = require "skynet.core"
local messages = require "skynet.messages"
local modules = require "skynet.require"
local scheduler = require "skynet.scheduler"

local services = {}

local lua = messages.protocol "lua"

--- Asks the launcher; returns ok, address.
local function ask_launcher(...)
  scheduler.check()
  local session = messages.request(".launcher", lua, core.pack(...))
  if session == nil then
    return false -- The node ends.
  end
  local ok, memory, size = scheduler.await(session)
  if ok ~= true then
    return false
  end
  return true, core.unpack(memory, size)
end

--- Launches a service and suspends until its start function has ended.
-- @tparam string name found through the setting `luaservice`
-- @param ... the script's arguments, which reach it as words: strings without spaces
-- @treturn integer|nil its handle; nil if it called skynet.exit() meanwhile
-- @raises "init service NAME failed" when it cannot be loaded or raises; the log says why
function services.newservice(name, ...)
  local ok, address = ask_launcher("LAUNCH", "snlua", name, ...)
  if not ok then
    error("init service " .. name .. " failed", 2)
  end
  return address
end

--- Launches a service unless one was launched under this name before; suspends until it has started,
-- whoever launched it.
-- @tparam[opt] boolean global true is allowed as first argument: there is one node
-- @tparam string name
-- @param ... as for newservice()
-- @treturn integer its handle
-- @raises as newservice()
function services.uniqueservice(global, ...)
  if global == true then
    return services.uniqueservice(...)
  end
  local ok, address = ask_launcher("UNIQUE", global, ...)
  if not ok then
    error("init service " .. tostring(global) .. " failed", 2)
  end
  return address
end

--- The service that uniqueservice() launches under this name; suspends until it has started.
-- @tparam[opt] boolean global true is allowed as first argument
-- @tparam string name
-- @treturn integer its handle
function services.queryservice(global, name)
  name = global == true and name or global
  local ok, address = ask_launcher("FIND", name)
  if not ok then
    error("init service " .. tostring(name) .. " failed", 2)
  end
  return address
end

--- Tells the launcher something, if there is one.
function services.tell_launcher(...)
  if core.query ".launcher" then
    messages.send(".launcher", "lua", ...)
  end
end

--- @tparam string name of a service, like ".launcher"
-- @treturn integer|nil its handle
function services.localname(name)
  return (core.query(name))
end

--- A setting of the node: of its configuration, or of setenv().
-- @treturn string|nil
function services.getenv(key)
  return (core.getenv(key))
end

--- Adds a setting for all services.
-- @raises if there is one of that name
function services.setenv(key, value)
  if not core.setenv(key, tostring(value)) then
    error("Can't setenv exist key : " .. key, 2)
  end
end

--- Runs what a service does first: the functions of init(), then `f`, in a coroutine.
function services.run_start(f)
  scheduler.timeout(0, function()
    local ok, err = xpcall(function()
      modules.run_inits()
      f()
    end, debug.traceback)
    if ok then
      services.tell_launcher("LAUNCHOK")
    else
      scheduler.stop()
      core.fail(scheduler.describe(err))
    end
  end)
end

return services
