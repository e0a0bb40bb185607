--- Launching and finding services.
-- @module skynet.services

local core = require "skynet.core"
local messages = require "skynet.messages"
local modules = require "skynet.require"
local scheduler = require "skynet.scheduler"
local tasks = require "skynet.tasks"

local traceback = debug.traceback

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
    core.raise("init service " .. name .. " failed")
  end
  return address
end

--- Launches a service unless one was launched under this name before; suspends until it has
-- started, whoever launched it.
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
    core.raise("init service " .. tostring(global) .. " failed")
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
    core.raise("init service " .. tostring(name) .. " failed")
  end
  return address
end

--- Tells the launcher something, if there is one.
function services.tell_launcher(...)
  if core.query ".launcher" then
    messages.send(".launcher", "lua", ...)
  end
end

local function handle_of(service)
  if type(service) == "number" then
    return service
  end
  local digits = service:match "^:(%x+)$"
  return digits and tonumber(digits, 16) or core.query(service)
end

--- Launches a service and does not wait for it.
-- @tparam string kind "snlua": there are only services in Lua
-- @param ... its name and arguments, which may be several words each
-- @treturn integer|nil handle; nil for another kind
function services.launch(kind, ...)
  local words = table.pack(...)
  for i = 1, words.n do
    words[i] = tostring(words[i])
  end
  if kind ~= "snlua" then
    core.error("cannot launch " .. kind .. " " .. table.concat(words, " ") .. ": not in Lua")
    return nil
  end
  return (core.launch(table.concat(words, " ")))
end

--- Ends a service after the message it is handling; who waits for its answers gets errors.
-- @tparam integer|string service handle or name; one that is gone is ignored
function services.kill(service)
  local handle = handle_of(service)
  if handle then
    services.tell_launcher("REMOVE", handle, true)
    core.kill(handle)
  end
end

--- Ends the node, as SIGTERM does.
function services.abort()
  core.abort()
end

--- Gives this service a name.
-- @tparam string name local names begin with "."
-- @treturn boolean false when another service has that name
function services.register(name)
  return services.name(name, core.self())
end

--- Gives a service a name until it ends; it may have several.
-- @tparam string name local names begin with "."
-- @tparam integer|string service
-- @treturn boolean false when another service has that name, or nobody lives there
function services.name(name, service)
  if type(name) ~= "string" or name == "" or name:sub(1, 1) == ":" then
    core.raise "a name that is no address expected"
  end
  local handle = handle_of(service)
  return handle ~= nil and core.name(name, handle)
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
    core.raise("Can't setenv exist key : " .. key)
  end
end

--- Runs what a service does first, in the running coroutine: the functions of init(), then `f`. For
-- services that do not call start(). After an error, which ends the service, it does not return.
function services.init_service(f)
  scheduler.check()
  local ok, err = xpcall(function()
    local _ <close> = tasks.begin_start()
    modules.run_inits()
    f()
  end, traceback)
  if ok then
    services.tell_launcher("LAUNCHOK")
  else
    scheduler.stop()
    core.fail(scheduler.describe(err))
    scheduler.quit()
  end
end

--- The same in a coroutine of its own.
function services.run_start(f)
  scheduler.timeout(0, function()
    services.init_service(f)
  end)
end

--- Which node a service lives in: here is one only.
-- @tparam integer address handle
-- @treturn integer 0
-- @treturn boolean whether it is another one: false
function services.harbor(address)
  if math.type(address) ~= "integer" then
    core.raise "service address (integer) expected"
  end
  return 0, false
end

return services
