-- skynet.response answers from another coroutine, after the dispatch function has returned.
local skynet = require "skynet"
require "skynet.manager"

local mode = ...

if mode == "later" then
  local waiting = {}
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, cmd)
      if cmd == "wait" then
        waiting[#waiting + 1] = skynet.response()
        if #waiting == 3 then
          skynet.timeout(1, function()
            for i = #waiting, 1, -1 do
              waiting[i](i ~= 2, "answer", i)
            end
          end)
        end
      end
    end)
  end)
else
  skynet.start(function()
    local later = skynet.newservice(SERVICE_NAME, "later")
    local done = 0
    local results = {}
    local co = coroutine.running()
    for i = 1, 3 do
      skynet.fork(function()
        results[i] = table.pack(pcall(skynet.call, later, "lua", "wait"))
        done = done + 1
        if done == 3 then
          skynet.wakeup(co)
        end
      end)
    end
    skynet.wait(co)
    for i = 1, 3 do
      print(i, results[i][1], results[i][1] and results[i][3])
    end
    skynet.abort()
  end)
end
