-- Does memory stay as it is while connections come and go? Opens COUNT of them, some at a time, and
-- compares the Lua heap, the process and the sockets after a fifth of them with those at the end.
-- Usage: skysock growth.lua COUNT

local core = require "skynet.core"
local skynet = require "skynet"
local socket = require "skynet.socket"

local count = math.tointeger(tonumber((...)))
local AT_A_TIME = 50
local HEAP_KIB, PROCESS_KIB = 64, 4096 -- May be added; a leak of one entry each would be megabytes.

local function serve(id)
  assert(socket.start(id))
  local line = socket.readline(id)
  socket.write(id, line .. "\n")
  socket.close(id) -- First, so that no port of the client waits for late packets.
end

local function visit(port, i)
  local id = assert(socket.open("127.0.0.1", port))
  assert(socket.write(id, i .. "\n"))
  assert(socket.readline(id) == tostring(i))
  assert(socket.read(id) == false)
  socket.close(id)
end

local function visits(port, from, to)
  local left, done = AT_A_TIME, {}
  for worker = 1, AT_A_TIME do
    skynet.fork(function()
      for i = from + worker - 1, to, AT_A_TIME do
        visit(port, i)
      end
      left = left - 1
      if left == 0 then
        skynet.wakeup(done)
      end
    end)
  end
  skynet.wait(done)
end

local function resident_kib()
  local file <close> = assert(io.open("/proc/self/statm"))
  local _, pages = file:read("n", "n")
  return pages * 4
end

local function measure()
  skynet.sleep(20) -- What still closes.
  collectgarbage()
  collectgarbage()
  return collectgarbage "count", resident_kib(), core.counts().slots_used
end

skynet.start(function()
  local listener, _, port = assert(socket.listen("127.0.0.1", 0))
  assert(socket.start(listener, serve))
  visits(port, 1, count // 5)
  local heap, process, slots = measure()
  visits(port, count // 5 + 1, count)
  local heap_after, process_after, slots_after = measure()
  print(("%d connections: Lua heap %.0f -> %.0f KiB, process %d -> %d KiB, sockets %d -> %d"):format(
    count, heap, heap_after, process, process_after, slots, slots_after))
  assert(core.counts().accepts == count)
  assert(heap_after < heap + HEAP_KIB, "the Lua heap grew")
  assert(slots_after <= slots, "sockets are left")
  if count >= 100000 then -- Sanitizers keep freed memory.
    assert(process_after < process + PROCESS_KIB, "the process grew")
  end
  skynet.exit()
end)
