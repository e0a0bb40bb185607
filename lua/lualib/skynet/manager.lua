--- Adds to `skynet` what changes other services: `local skynet = require "skynet.manager"`.
-- @module skynet.manager

local core = require "skynet.core"
local skynet = require "skynet"
local messages = require "skynet.messages"
local services = require "skynet.services"

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
function skynet.launch(kind, ...)
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
function skynet.kill(service)
  local handle = handle_of(service)
  if handle then
    services.tell_launcher("REMOVE", handle, true)
    core.kill(handle)
  end
end

--- Ends the node, as SIGTERM does.
function skynet.abort()
  core.abort()
end

--- Gives this service a name.
-- @tparam string name local names begin with "."
-- @treturn boolean false when another service has that name
function skynet.register(name)
  return skynet.name(name, skynet.self())
end

--- Gives a service a name until it ends; it may have several.
-- @tparam string name local names begin with "."
-- @tparam integer|string service
-- @treturn boolean false when another service has that name, or nobody lives there
function skynet.name(name, service)
  assert(name ~= "" and name:sub(1, 1) ~= ":", "a name that is no address expected")
  local handle = handle_of(service)
  return handle ~= nil and core.name(name, handle)
end

--- start() for a service that sends messages on: a message of a type that is a key of `map` is
-- handled as the type that is its value, and its memory belongs to the dispatch function, which
-- must send or trash it.
-- @tparam table map type number -> type number
-- @tparam function f
function skynet.forward_type(map, f)
  core.callback(function(ptype, memory, size, session, source)
    local forwarded = map[ptype]
    if forwarded then
      messages.dispatch_message(forwarded, memory, size, session, source)
    else
      local ok, err = pcall(messages.dispatch_message, ptype, memory, size, session, source)
      core.trash(memory, size)
      if not ok then
        error(err, 0)
      end
    end
  end, true)
  services.run_start(f)
end

--- start() for a service that changes messages before they are handled.
-- @tparam function filter called with type, memory, size, session, source; returns the same
-- @tparam function f
function skynet.filter(filter, f)
  core.callback(function(ptype, ...)
    if ptype then
      messages.dispatch_message(filter(ptype, ...))
    else
      messages.dispatch_message(ptype, ...) -- Not a message: an error.
    end
  end)
  services.run_start(f)
end

--- Lets a service hear of every service that ends: a message of the type "client" whose source is
-- the one that is gone.
-- @tparam string service launched as by uniqueservice()
-- @tparam[opt] boolean query wait for somebody else to launch it
-- @treturn integer its handle
function skynet.monitor(service, query)
  local find = query and skynet.queryservice or skynet.uniqueservice
  local handle = find(true, service)
  core.monitor(handle)
  return handle
end

return skynet
