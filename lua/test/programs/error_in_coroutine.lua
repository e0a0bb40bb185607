-- An error ends its coroutine only.
local skynet = require "skynet"

skynet.start(function()
  skynet.fork(error, "forked")
  skynet.timeout(1, function()
    error "in a timer"
  end)
  skynet.sleep(3)
  print "goes on"
  skynet.exit()
end)
