--- Adds to `skynet` what services that forward, filter or watch need, and returns it:
-- `local skynet = require "skynet.manager"`. (In skynet name, register, launch, kill and abort are
-- only there; here `skynet` has them anyway.)
-- @module skynet.manager

local core = require "skynet.core"
local skynet = require "skynet"
local messages = require "skynet.messages"
local services = require "skynet.services"

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
