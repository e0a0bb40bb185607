--- A service for tests, which does what it is told: skynet.call(address, "lua", "run", CODE, argument...)
-- answers with what the Lua text CODE returns; with "do" in place of "run", CODE has to answer.

local skynet = require "skynet.manager"

local environment = setmetatable({ skynet = skynet, arguments = { ... } }, { __index = _G })

local commands = {}

function commands.run(code, ...)
  skynet.retpack(assert(load(code, "=CODE", "t", environment))(...))
end

commands["do"] = function(code, ...)
  assert(load(code, "=CODE", "t", environment))(...)
end

skynet.dispatch("lua", function(_, _, command, ...)
  commands[command](...)
end)

skynet.start(function()
  if SERVICE_NAME == "runner" and environment.arguments[1] == "code" then
    commands["do"](table.concat(environment.arguments, " ", 2))
  end
end)
