-- A service whose start function raises: newservice raises, and the caller goes on.
local skynet = require "skynet"
require "skynet.manager"

local mode = ...

if mode == "broken" then
  skynet.start(function()
    error "init on purpose"
  end)
else
  skynet.start(function()
    print((pcall(skynet.newservice, SERVICE_NAME, "broken")))
    print((pcall(skynet.newservice, "no_such_service")))
    print "still here"
    skynet.abort()
  end)
end
