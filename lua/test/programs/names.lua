-- Services are found by names that begin with a dot.
local skynet = require "skynet"
require "skynet.manager"

local mode = ...

if mode == "counter" then
  local total = 0
  skynet.start(function()
    skynet.dispatch("lua", function(session, _, _, value)
      total = total + value
      if session > 0 then
        skynet.retpack(total)
      end
    end)
  end)
  return
end

skynet.start(function()
  local counter = skynet.newservice(SERVICE_NAME, "counter")
  skynet.name(".counter", counter)
  print(skynet.localname ".counter" == counter)
  skynet.send(".counter", "lua", "add", 3)
  print(skynet.call(".counter", "lua", "add", 4))
  print(skynet.localname ".nobody")
  print((pcall(skynet.call, ".nobody", "lua", "add", 1)))
  print(skynet.address(counter):match "^:%x%x%x%x%x%x%x%x$" ~= nil)
  skynet.kill(counter)
  print((pcall(skynet.call, counter, "lua", "add", 1)))
  skynet.abort()
end)
