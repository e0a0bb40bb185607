--- A service that calls another one, many times, and says how long that took.

local skynet = require "skynet"
local answers = require "answers"

local adder

-- Each does one call and returns a number that shows that it was answered.
local calls = {}

function calls.add(at)
  return skynet.call(adder, "lua", "add", at, 1)
end

local numbers = {}
for i = 1, 100 do
  numbers[i] = i * 1000
end

function calls.list()
  local list, length = skynet.call(adder, "lua", "list", numbers)
  return length + list[length]
end

--- Starts the other service and looks at whole answers: "ok", or what is wrong.
function answers.look()
  adder = skynet.newservice "adder"
  if skynet.call(adder, "lua", "add", 20, 22) ~= 42 then
    return "20 + 22 is not 42"
  end
  local list = skynet.call(adder, "lua", "list", numbers)
  for i = 1, #numbers do
    if list[i] ~= numbers[i] then
      return ("list[%d] is %s"):format(i, list[i])
    end
  end
  return #list == #numbers and "ok" or "the list is longer"
end

--- "NANOSECONDS SUM" of `count` calls.
function answers.call(name, count)
  local call = calls[name]
  local sum = 0
  local start = skynet.hpc()
  for at = 1, tonumber(count) do
    sum = sum + call(at)
  end
  return skynet.hpc() - start .. " " .. sum
end

answers.start()
