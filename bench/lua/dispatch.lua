--- A service that sees every message of its sockets, as a gate does: without skynet.socket.

local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local answers = require "answers"
local counted = require "counted"

local function describe(kind, id, ud, data, address)
  if type(data) == "userdata" then
    data = driver.text(data)
  end
  return ("%d %d %d %s %s\n"):format(kind, id, ud, data, address)
end

skynet.register_protocol {
  name = "socket",
  id = skynet.PTYPE_SOCKET,
  inline = true,
  unpack = driver.unpack,
  dispatch = function(_, _, kind, id, ud, data, address)
    counted.add(kind + id + ud)
    local lines = counted.lines
    if lines then
      lines[#lines + 1] = describe(kind, id, ud, data, address)
    end
  end,
}

answers.start()
