--- Sends the endless stream to every connection until the peer closes it.
-- Usage: skysock bench/servers/source.lua HOST PORT   (PORT 0: any free port, see the printed line)

local skynet = require "skynet"
local socket = require "skynet.socket"
local stream_pattern = require "stream_pattern"
local tcp_server = require "tcp_server"

-- Whole periods, so that every message is the same string.
local MESSAGE = stream_pattern.bytes(0, stream_pattern.longest // stream_pattern.period * stream_pattern.period)
-- Messages to one peer before the others get a turn.
local BURST = 4
-- In 1/100 s: what a refused write waits, if no warning says sooner that there is room.
local RETRY = 1

tcp_server.run("source.lua", function(id)
  local ended, full = false, false
  -- What the peer sends is dropped; its end ends the stream.
  skynet.fork(function()
    while socket.read(id) do end
    ended = true
    if full then
      skynet.wakeup(id)
    end
  end)
  socket.warning(id, function(_, kib)
    full = kib > 0
    if not full then
      skynet.wakeup(id)
    end
  end)
  while not ended do
    for _ = 1, BURST do
      if ended or full then
        break
      end
      local ok, reason = socket.write(id, MESSAGE)
      if reason == "limit" then
        skynet.sleep(RETRY)
      elseif not ok then
        return
      end
    end
    if full and not ended then
      skynet.wait(id)
    else
      skynet.yield()
    end
  end
end, { send_limit = 4 << 20 }, ...)
