-- Values through pack and unpack, as a string and as a message.
local skynet = require "skynet"

skynet.start(function()
  local text = skynet.packstring("a", 1, 2.5, true, nil, { list = { 1, 2, 3 } })
  local a, b, c, d, e, f = skynet.unpack(text)
  print(a, b, c, d, e, #f.list)
  local msg, size = skynet.pack("in memory", -1)
  print(type(msg), size > 0, skynet.unpack(msg, size))
  skynet.trash(msg, size)
  print((pcall(skynet.pack, print)))
  print(select("#", skynet.unpack ""))
  skynet.exit()
end)
