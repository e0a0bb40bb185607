-- skynet.queue: functions run one after another although each of them waits.
local skynet = require "skynet"
local queue = require "skynet.queue"

skynet.start(function()
  local lock = queue()
  local done = 0
  for i = 1, 3 do
    skynet.fork(function()
      lock(function()
        print("in", i)
        skynet.sleep(3 - i)
        lock(function()
          print("inner", i)
        end)
        print("out", i)
      end)
      done = done + 1
    end)
  end
  while done < 3 do
    skynet.sleep(1)
  end
  print((pcall(lock, error, "raised")))
  print(lock(function(...)
    return ...
  end, "free", "again"))
  skynet.exit()
end)
