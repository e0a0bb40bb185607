--- How a benchmark asks a service: a text "NAME ARGUMENT..." is answered with a text.

local skynet = require "skynet"

skynet.register_protocol {
  name = "text",
  id = skynet.PTYPE_TEXT,
  pack = function(text)
    return text
  end,
  unpack = skynet.tostring,
}

local answers = {}
local bytes_before

--- From here on garbage stays: garbage_made() says what the VM allocated since.
function answers.keep_garbage()
  collectgarbage()
  collectgarbage "stop"
  bytes_before = collectgarbage "count" * 1024
end

function answers.garbage_made()
  local made = collectgarbage "count" * 1024 - bytes_before
  collectgarbage "restart"
  return made // 1 | 0
end

local function answer(_, _, question)
  local words = {}
  for word in question:gmatch "%S+" do
    words[#words + 1] = word
  end
  local said = answers[words[1]](table.unpack(words, 2))
  skynet.ret(said == nil and "" or tostring(said))
end

--- Answers for ever, with what the function `answers.NAME(ARGUMENT...)` returns; "" for nil. One that
-- raises is an error for who asked. From the chunk on: questions may come before the start function.
function answers.start()
  skynet.dispatch("text", answer)
  skynet.start(function() end)
end

return answers
