-- A service that answers calls, with arguments of every kind.
local skynet = require "skynet"
require "skynet.manager"

local mode = ...

if mode == "calculator" then
  local command = {}
  function command.ADD(a, b)
    return a + b
  end
  function command.LIST(...)
    return { n = select("#", ...), ... }
  end
  function command.NOTHING() end
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, cmd, ...)
      skynet.ret(skynet.pack(command[cmd](...)))
    end)
  end)
else
  skynet.start(function()
    local calculator = skynet.newservice(SERVICE_NAME, "calculator")
    print(skynet.call(calculator, "lua", "ADD", 1, 2))
    print(skynet.call(calculator, "lua", "ADD", 1, 2.5))
    local list = skynet.call(calculator, "lua", "LIST", nil, true, "text", { 1, { x = "y" } })
    print(list.n, list[1], list[2], list[3], list[4][2].x)
    print(select("#", skynet.call(calculator, "lua", "NOTHING")))
    skynet.abort()
  end)
end
