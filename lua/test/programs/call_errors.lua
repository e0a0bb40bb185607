-- What a caller gets when the other side raises, dies, or was never there.
local skynet = require "skynet"
require "skynet.manager"

local mode = ...

if mode == "faulty" then
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, cmd)
      if cmd == "raise" then
        error "on purpose"
      elseif cmd == "exit" then
        skynet.exit()
      end
      skynet.ret(skynet.pack "fine")
    end)
  end)
else
  skynet.start(function()
    local faulty = skynet.newservice(SERVICE_NAME, "faulty")
    print((pcall(skynet.call, faulty, "lua", "raise")))
    print(skynet.call(faulty, "lua", "work"))
    print((pcall(skynet.call, faulty, "lua", "exit")))
    print((pcall(skynet.call, faulty, "lua", "work")))
    skynet.abort()
  end)
end
