--- A service that answers calls.

local skynet = require "skynet"

local commands = {}

function commands.add(a, b)
  return a + b
end

--- The list as it came, and its length.
function commands.list(list)
  return list, #list
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, command, ...)
    skynet.retpack(commands[command](...))
  end)
end)
