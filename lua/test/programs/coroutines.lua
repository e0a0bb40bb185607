-- skynet.coroutine: generators that may wait inside a service.
local skynet = require "skynet"
local coroutine = require "skynet.coroutine"

skynet.start(function()
  local generate = coroutine.wrap(function()
    for i = 1, 3 do
      skynet.sleep(1)
      coroutine.yield(i)
    end
    return "end"
  end)
  print(generate(), generate(), generate(), generate())
  local co = coroutine.create(function(a)
    local b = coroutine.yield(a + 1)
    error("raised " .. b)
  end)
  print(coroutine.resume(co, 1))
  local ok, err = coroutine.resume(co, 2)
  print(ok, err:match "raised 2$", coroutine.status(co))
  skynet.exit()
end)
