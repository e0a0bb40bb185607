--- What the launcher asks of every service: the protocol "debug". And skynet's functions for traces.
-- @module skynet.debugging

local messages = require "skynet.messages"

local debugging = {}

--- No trace is recorded here; programs that make them run as without.
local function add_traces(skynet)
  function skynet.trace() end

  function skynet.trace_timeout() end

  function skynet.tracelog() end

  --- @treturn nil no message is traced
  function skynet.tracetag()
    return nil
  end

  --- @raises for an unknown protocol
  function skynet.traceproto(name)
    messages.protocol(name)
  end

  --- As rawcall(address, name, memory, size).
  function skynet.tracecall(_, address, name, memory, size)
    return messages.rawcall(address, name, memory, size)
  end
end

--- Registers the protocol for a service. `skynet` is the module of that name.
function debugging.register(skynet)
  add_traces(skynet)
  local commands = {}
  local info = function() end

  --- Lets `f(...)` answer skynet.call(this service, "debug", "INFO", ...). nil: it is answered with
  -- nothing.
  function skynet.info_func(f)
    info = f or function() end
  end

  function commands.INFO(...)
    skynet.retpack(info(...))
  end

  function commands.TASK(wanted)
    if wanted then
      return skynet.retpack(skynet.task(wanted))
    end
    local list = {}
    skynet.task(list)
    skynet.retpack(list)
  end

  function commands.UNIQTASK()
    skynet.retpack(skynet.uniqtask())
  end

  -- Kilobytes that Lua holds.
  function commands.MEM()
    skynet.retpack(collectgarbage "count")
  end

  function commands.GC()
    collectgarbage()
    skynet.retpack(collectgarbage "count")
  end

  function commands.STAT()
    skynet.retpack {
      mqlen = skynet.stat "mqlen",
      message = skynet.stat "message",
      task = skynet.stat "task",
    }
  end

  function commands.TERM(service)
    skynet.term(service)
  end

  function commands.PING()
    skynet.retpack()
  end

  skynet.register_protocol {
    name = "debug",
    id = skynet.PTYPE_DEBUG,
    pack = skynet.pack,
    unpack = skynet.unpack,
    dispatch = function(_, _, command, ...)
      local f = commands[command] or error("unknown debug command " .. tostring(command))
      f(...)
    end,
  }
end

return debugging
