-- uniqueservice makes one service, whoever asks first; queryservice finds it.
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
  local addresses = {}
  local done = 0
  for i = 1, 4 do
    skynet.fork(function()
      addresses[i] = i == 1 and skynet.queryservice(SERVICE_NAME)
        or skynet.uniqueservice(SERVICE_NAME, "counter")
      done = done + 1
    end)
  end
  while done < 4 do
    skynet.sleep(1)
  end
  for i = 2, 4 do
    print(i, addresses[i] == addresses[1])
  end
  print(skynet.call(addresses[1], "lua", "add", 5), skynet.call(addresses[2], "lua", "add", 2))
  skynet.abort()
end)
