-- getenv, setenv: a value is set once.
local skynet = require "skynet"

skynet.start(function()
  print(skynet.getenv "nobody_set_this")
  skynet.setenv("corpus_key", "value")
  print(skynet.getenv "corpus_key")
  print((pcall(skynet.setenv, "corpus_key", "other")))
  skynet.exit()
end)
