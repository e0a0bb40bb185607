-- Coroutines hand a token around; a sleeper is woken early.
local skynet = require "skynet"

skynet.start(function()
  local token = {}
  skynet.fork(function(name)
    print(name, "waits")
    skynet.wait(token)
    print(name, "goes on")
    skynet.exit()
  end, "first")
  local sleeper = skynet.fork(function()
    print("sleep", skynet.sleep(10000))
    print("wakeup", skynet.wakeup(token))
    print("again", skynet.wakeup(token))
  end)
  skynet.yield()
  print("wakeup of the sleeper", skynet.wakeup(sleeper))
end)
