-- Messages from one service arrive in the order they were sent.
local skynet = require "skynet"
require "skynet.manager"

local mode = ...

if mode == "sink" then
  local expected, ordered = 1, true
  skynet.start(function()
    skynet.dispatch("lua", function(session, _, value)
      if session > 0 then
        skynet.retpack(expected - 1, ordered)
        return
      end
      ordered = ordered and value == expected
      expected = expected + 1
    end)
  end)
else
  skynet.start(function()
    local sink = skynet.newservice(SERVICE_NAME, "sink")
    for i = 1, 10000 do
      skynet.send(sink, "lua", i)
    end
    print(skynet.call(sink, "lua"))
    skynet.abort()
  end)
end
