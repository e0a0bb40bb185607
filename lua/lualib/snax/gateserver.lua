--- A service that accepts connections and cuts what they send into frames: 2 bytes (or 4) of
-- length, big-endian, then so many bytes. The service's script gives the callbacks:
--
--     gateserver.start {
--       connect = function(fd, address) end, -- admitted; nothing is read before openclient(fd)
--       message = function(fd, msg, size) end, -- a frame; it owns msg: redirect or trash it
--       disconnect = function(fd) end, -- once per admitted fd; some day call closeclient(fd)
--       error = function(fd, text) end, -- before that disconnect
--       warning = function(fd, kbytes) end, -- so much output waits; 0: all was sent
--       open = function(source, conf) return ... end, -- listening; returns what the opener gets
--       command = function(cmd, source, ...) return ... end, -- any other message of type "lua"
--     }
--
-- `connect` and `message` are required. Every callback runs in a coroutine and may wait.
--
-- Other services open it with skynet.call(gate, "lua", "open", conf): `port` (0: any free one),
-- `address` (default "0.0.0.0"), `maxclient` (default 1024; further clients are refused without a
-- callback), `nodelay`, `backlog`, `header` (2 or 4 bytes, default 2) and `frame_limit` (bytes of
-- the largest frame; a client that announces more is an error). The callback `open` finds the bound
-- address and port in it. "close" ends listening; the clients stay, with their header and limit as
-- long as there are any.
-- @module snax.gateserver

local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"

local gateserver = {}

local MAX_CLIENTS = 1024

local queue -- Frames and their parts.
local listener -- Its id while it is open.
local opening -- Who waits for the answer to listen: {id, address, port} or {id, reason}.
local nodelay = false
local max_clients = MAX_CLIENTS
local client_count = 0 -- Of `admitted`.
local admitted = {} -- fd -> true, until its CLOSE.
local clients = {} -- fd -> true; false after its CLOSE; nil once the handler closed it.

--- Starts to read from a client; whoever knows of it can write to the fd. An fd that is not open is
-- ignored.
function gateserver.openclient(fd)
  if clients[fd] then
    driver.start(fd)
  end
end

--- Closes a client, after what was written to it is sent. Its disconnect callback follows if there
-- was none yet. An unknown fd is ignored.
function gateserver.closeclient(fd)
  if clients[fd] ~= nil then
    clients[fd] = nil
    driver.close(fd)
  end
end

--- Commands of other services ---------------------------------------------------------------------

local function await_listen(id)
  opening = { id = id }
  skynet.wait(opening)
  local answer = opening
  opening = nil
  if answer.reason then
    error("cannot listen: " .. answer.reason, 0)
  end
  return answer.address, answer.port
end

local commands = {}

function commands.open(handler, source, conf)
  assert(not listener, "the gate is open already")
  local port = assert(conf.port, "port expected")
  if client_count == 0 then
    queue = netpack.new(conf.header, conf.frame_limit)
  end
  max_clients = conf.maxclient or MAX_CLIENTS
  nodelay = conf.nodelay
  local id, reason = driver.listen(conf.address or "0.0.0.0", port, conf.backlog)
  if not id then
    error("cannot listen: " .. reason, 0)
  end
  listener = id
  local ok, address, bound = pcall(await_listen, id)
  if not ok then
    listener = nil
    error(address, 0)
  end
  conf.address, conf.port = address, bound
  skynet.error(("gate listens on %s:%d"):format(address, bound))
  driver.start(id)
  if handler.open then
    return handler.open(source, conf)
  end
end

function commands.close()
  assert(listener, "the gate is not open")
  driver.close(listener)
  listener = nil
end

--- Messages of sockets ----------------------------------------------------------------------------

--- What each kind of message does; netpack names the kinds.
local function message_handlers(handler)
  local on = {}

  function on.init(id, address, port)
    if opening and id == opening.id then
      opening.address, opening.port = address, port
      skynet.wakeup(opening)
    end
  end

  function on.open(fd, address)
    if client_count >= max_clients then
      driver.shutdown(fd) -- Not admitted, so that its CLOSE calls nobody.
      return
    end
    client_count = client_count + 1
    admitted[fd], clients[fd] = true, true
    if nodelay then
      driver.nodelay(fd)
    end
    local ok, err = xpcall(handler.connect, debug.traceback, fd, address)
    if not ok then
      skynet.error(err)
      gateserver.closeclient(fd)
    end
  end

  function on.close(fd)
    if not admitted[fd] then
      return
    end
    admitted[fd] = nil
    client_count = client_count - 1
    if clients[fd] then
      clients[fd] = false
    end
    if handler.disconnect then
      handler.disconnect(fd)
    else
      gateserver.closeclient(fd)
    end
  end

  function on.error(fd, text)
    if opening and fd == opening.id then
      opening.reason = text
      skynet.wakeup(opening)
    elseif fd == listener then
      skynet.error("gate: accept: " .. text)
    elseif admitted[fd] then
      driver.shutdown(fd)
      if handler.error then
        handler.error(fd, text)
      end
    end
  end

  function on.warning(fd, kbytes)
    if handler.warning then
      handler.warning(fd, kbytes)
    end
  end

  function on.data(fd, msg, size)
    if clients[fd] then
      handler.message(fd, msg, size)
    else
      netpack.tostring(msg, size) -- Frees it.
      skynet.error(("gate: frame of %d bytes from closed fd %d dropped"):format(size, fd))
    end
  end

  function on.more()
    local fd, msg, size = netpack.pop(queue)
    if not fd then
      return
    end
    skynet.fork(on.more) -- Goes on when a callback waits.
    repeat
      if msg then
        on.data(fd, msg, size)
      else
        on.error(fd, size)
      end
      fd, msg, size = netpack.pop(queue)
    until not fd
  end

  return on
end

--- Makes the script a gate. With `handler.embed` true the script calls skynet.start itself.
-- @tparam table handler the callbacks, see above
function gateserver.start(handler)
  assert(handler.connect, "connect expected")
  assert(handler.message, "message expected")
  local on = message_handlers(handler)

  skynet.register_protocol {
    name = "socket",
    id = skynet.PTYPE_SOCKET,
    unpack = function(msg, size)
      return netpack.filter(queue, msg, size)
    end,
    dispatch = function(_, _, filtered, kind, ...)
      queue = filtered
      if kind then
        on[kind](...)
      end
    end,
  }

  local function init()
    skynet.dispatch("lua", function(_, source, cmd, ...)
      if commands[cmd] then
        skynet.retpack(commands[cmd](handler, source, ...))
      else
        skynet.retpack(handler.command(cmd, source, ...))
      end
    end)
  end
  if handler.embed then
    init()
  else
    skynet.start(init)
  end
end

return gateserver
