-- skynet.request: several calls at once, with a limit for all of them.
local skynet = require "skynet"
require "skynet.manager"

local mode = ...

if mode == "slow" then
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, ti)
      skynet.sleep(ti)
      skynet.retpack("slept", ti)
    end)
  end)
else
  skynet.start(function()
    local slow = skynet.newservice(SERVICE_NAME, "slow")
    local requests = skynet.request { slow, "lua", 4, token = "b" }
    requests:add { slow, "lua", 1, token = "a" }
    for req, resp in requests:select() do
      print(req.token, table.unpack(resp))
    end
    local late = skynet.request { slow, "lua", 1, token = "in time" }
    late:add { slow, "lua", 1000, token = "late" }
    for req, resp in late:select(20) do
      print(req.token, resp and resp[2])
    end
    print "limit passed"
    skynet.abort()
  end)
end
