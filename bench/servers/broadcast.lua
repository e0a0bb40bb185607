--- Broadcast: the first byte of a connection comes back and says what it is. Behind 's' it gets what
-- publishers send from then on, behind 'p' all it sends goes to them; anything else is a probe.
-- Usage: skysock bench/servers/broadcast.lua HOST PORT   (PORT 0: any free port, see the line)

local socket = require "skynet.socket"
local tcp_server = require "tcp_server"

-- A subscriber that would have more than this waiting is cut off: kSubscriberBytesMax.
local LIMIT = 4 << 20

local subscribers = {}

local function forget(id)
  for at, other in ipairs(subscribers) do
    if other == id then
      subscribers[at] = subscribers[#subscribers]
      subscribers[#subscribers] = nil
      return
    end
  end
end

-- Nothing here waits, so all get their part before anybody gets the next one.
local function publish(data)
  for at = #subscribers, 1, -1 do
    local id = subscribers[at]
    if not socket.write(id, data) then
      subscribers[at] = subscribers[#subscribers]
      subscribers[#subscribers] = nil
      socket.shutdown(id) -- Whoever reads from it closes it.
    end
  end
end

tcp_server.run("broadcast.lua", function(id)
  socket.warning(id, function() end)
  local first = socket.read(id, 1)
  if not first or not socket.write(id, first) then
    return
  end
  if first == "s" then
    subscribers[#subscribers + 1] = id
  end
  local data = socket.read(id)
  while data do
    if first == "p" then
      publish(data)
    end
    data = socket.read(id)
  end
  forget(id)
end, { send_limit = LIMIT }, ...)
