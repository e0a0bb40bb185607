--- Names and their addresses.
-- @module skynet.socket.lookup

local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local scheduler = require "skynet.scheduler"

local lookup = {}

--- Suspends until the resolver has answered. Outside of a coroutine it blocks instead.
-- @tparam string name
-- @treturn table list of its addresses
-- @raises if it has none
function lookup.resolve(name)
  if scheduler.current() == nil then
    return driver.resolve(name)
  end
  local session = scheduler.next_session()
  driver.lookup(name, session)
  local _, memory, size = scheduler.await(session)
  local answer = skynet.tostring(memory, size)
  if answer:sub(1, 1) ~= "+" then
    error("resolve " .. name .. ": " .. answer:sub(2), 2)
  end
  local addresses = {}
  for address in answer:sub(2):gmatch "[^\n]+" do
    addresses[#addresses + 1] = address
  end
  return addresses
end

return lookup
