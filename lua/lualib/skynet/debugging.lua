--- What the launcher asks of every service: the protocol "debug".
-- @module skynet.debugging

local debugging = {}

--- Registers the protocol for a service. `skynet` is the module of that name.
function debugging.register(skynet)
  local commands = {}

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
