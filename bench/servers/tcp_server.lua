--- What the servers of this folder share: arguments, a listener, and the line that says where.

local skynet = require "skynet"
local socket = require "skynet.socket"

local tcp_server = {}

--- Ends the process with 1 and this text; an error object with a text has no traceback.
local function fail(text)
  error(setmetatable({}, { __tostring = function() return text end }))
end

--- Serves every connection in a coroutine of its own: `serve(id)`, which has been started, and is
-- closed when `serve` returns.
-- @tparam string name of the script, for its usage
-- @tparam function serve
-- @tparam table options of the connections; nil: none
-- @param ... the script's arguments: HOST PORT
function tcp_server.run(name, serve, options, ...)
  local host, port = ...
  port = math.tointeger(tonumber(port))
  if not (port and host ~= "" and port >= 0 and port <= 65535) then
    fail(("usage: skysock %s HOST PORT   (PORT from 0 to 65535; 0: any free port)"):format(name))
  end
  local function accepted(id)
    if socket.start(id) then
      serve(id)
      socket.close(id) -- Sends what is still queued first.
    end
  end
  skynet.start(function()
    local id, address, bound = socket.listen(host, port, options)
    if not id then
      fail(("cannot listen on %s:%d: %s"):format(host, port, address))
    end
    assert(socket.start(id, accepted))
    print(("listening on %s:%d"):format(host, bound))
    io.stdout:flush()
  end)
end

return tcp_server
