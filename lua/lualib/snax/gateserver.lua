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
-- the largest frame; a client that announces more is an error). Numbers may be texts. The callback
-- `open` finds the bound address and port in it. "close" ends listening and returns when the port
-- is free; the clients stay, with their header and limit as long as there are any.
-- @module snax.gateserver

local core = require "skynet.core"
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"

local gateserver = {}

local MAX_CLIENTS = 1024

local queue -- Frames and their parts.
local listener -- Its id while it is open.
local closing = {} -- id of a listener that is being closed -> token of who waits for its end.
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

local Refusal = { __tostring = function(refusal) return refusal.text end }

--- Says what the opener did wrong, or the system: where in this file is nobody's business.
local function fail(text)
  error(setmetatable({ text = text }, Refusal))
end

local function describe(err)
  return getmetatable(err) == Refusal and tostring(err) or debug.traceback(err, 2)
end

--- Answers a command that xpcall() ran.
local function answer(ok, ...)
  if ok then
    skynet.retpack(...)
  else
    skynet.error((...))
    skynet.response()(false)
  end
end

--- Makes a number of `conf` an integer: settings are texts. One that is nil stays it.
local function check_number(conf, key, least, most, step)
  local given = conf[key]
  if given == nil then
    return
  end
  local number = math.tointeger(tonumber(given))
  if not (number and number >= least and number <= most and (number - least) % step == 0) then
    local expected = step == 1 and "a whole number from %d to %d" or "%d or %d"
    fail(("%s: expected " .. expected .. ", got %s"):format(key, least, most,
      type(given) == "string" and ("%q"):format(given) or tostring(given)))
  end
  conf[key] = number
end

local function check_numbers(conf)
  check_number(conf, "port", 0, 65535, 1)
  check_number(conf, "maxclient", 0, 0x7FFFFFFF, 1)
  check_number(conf, "backlog", 0, 65535, 1)
  check_number(conf, "header", 2, 4, 2)
  check_number(conf, "frame_limit", 1, conf.header == 4 and 0xFFFFFFFF or 0xFFFF, 1)
end

local function await_listen(id)
  opening = { id = id }
  skynet.wait(opening)
  local answer = opening
  opening = nil
  if answer.reason then
    return nil, answer.reason
  end
  return answer.address, answer.port
end

local commands = {}

function commands.open(handler, source, conf)
  assert(not listener, "the gate is open already")
  check_numbers(conf)
  local host, port = conf.address or "0.0.0.0", conf.port or fail "port expected"
  if client_count == 0 then
    queue = netpack.new(conf.header, conf.frame_limit)
  end
  max_clients = conf.maxclient or MAX_CLIENTS
  nodelay = conf.nodelay
  local id, reason = driver.listen(host, port, conf.backlog)
  local address, bound
  if id then
    listener = id
    address, bound = await_listen(id)
    reason = bound
  end
  if not address then
    listener = nil
    fail(("cannot listen on %s:%d: %s"):format(host, port, reason))
  end
  conf.address, conf.port = address, bound
  skynet.error(("gate listens on %s:%d"):format(address, bound))
  driver.start(id)
  if handler.open then
    return handler.open(source, conf)
  end
end

function commands.close()
  local id = assert(listener, "the gate is not open")
  listener = nil
  if driver.close(id, true) then
    closing[id] = {}
    skynet.wait(closing[id]) -- Else the next "open" could not have the same port.
  end
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
    if closing[fd] then
      skynet.wakeup(closing[fd])
      closing[fd] = nil
    end
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
  for _, name in ipairs { "connect", "message" } do
    if not handler[name] then
      core.raise(name .. " expected")
    end
  end
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
        answer(xpcall(commands[cmd], describe, handler, source, ...))
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
