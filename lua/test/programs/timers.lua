-- Timers fire in order of their times; equal times in order of their calls.
local skynet = require "skynet"

skynet.start(function()
  local start = skynet.now()
  for _, ti in ipairs { 5, 2, 0, 9, 2 } do
    skynet.timeout(ti, function()
      print("timeout", ti, skynet.now() - start >= ti)
    end)
  end
  skynet.sleep(15)
  print("types", math.type(skynet.now()), math.type(skynet.starttime()), math.type(skynet.time()))
  skynet.exit()
end)
