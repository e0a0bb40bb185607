--- What came out of the messages of a benchmark, and the answers to what it asks about that.

local answers = require "answers"

local counted = {
  lines = nil, -- A list while the benchmark looks at what comes: a text for each message.
}

local messages, sum = 0, 0

--- One message more.
function counted.add(number)
  messages = messages + 1
  sum = sum + number
end

--- From now on lines() will say what came.
function answers.look()
  counted.lines = {}
end

function answers.lines()
  local text = table.concat(counted.lines)
  counted.lines = nil
  return text
end

--- How many messages came, and the sum of their numbers.
function answers.counts()
  return messages .. " " .. sum
end

return counted
