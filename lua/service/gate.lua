--- The gate: accepts clients for a watchdog and sends their frames to agents.
--
-- A watchdog opens it with skynet.call(gate, "lua", "open", conf) (see snax.gateserver; `watchdog`
-- may name another service) and gets the bound address and port. Then it hears, by type "lua":
--
--     "socket", "open", fd, address
--     "socket", "data", fd, string -- a frame of an fd without agent
--     "socket", "warning", fd, kbytes
--     "socket", "error", fd, text -- "close" follows
--     "socket", "close", fd -- last; has to be answered with "kick" if the fd was accepted
--
-- and commands: "forward", fd[, client[, agent]] reads the fd and sends its frames to the agent
-- (default: who commands) as type "client", from `client` (default 0), with the fd as session;
-- "accept", fd reads it for the watchdog; "kick", fd closes it (without fd: that of the agent who
-- commands). Agents write to the fd themselves.

local skynet = require "skynet"
local netpack = require "skynet.netpack"
local gateserver = require "snax.gateserver"

local watchdog
local connections = {} -- fd -> {agent, client}, or {} while the watchdog gets the frames.
local fds = {} -- agent -> fd that it was given last.

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
}

local function unforward(fd)
  local connection = connections[fd]
  local agent = connection and connection.agent
  if agent then
    connection.agent, connection.client = nil, nil
    if fds[agent] == fd then
      fds[agent] = nil
    end
  end
  return connection
end

local function forget(fd)
  unforward(fd)
  connections[fd] = nil
end

local function tell(...)
  skynet.send(watchdog, "lua", "socket", ...)
end

local handler = {}

function handler.open(source, conf)
  watchdog = conf.watchdog or source
  return conf.address, conf.port
end

function handler.connect(fd, address)
  connections[fd] = {}
  tell("open", fd, address)
end

function handler.message(fd, msg, size)
  local connection = connections[fd]
  if not connection then
    skynet.trash(msg, size) -- It came before an error that was told already.
  elseif connection.agent then
    -- Takes msg, no copy.
    skynet.redirect(connection.agent, connection.client, "client", fd, msg, size)
  else
    tell("data", fd, netpack.tostring(msg, size)) -- Frees msg.
  end
end

function handler.disconnect(fd)
  forget(fd)
  tell("close", fd)
end

function handler.error(fd, text)
  forget(fd)
  tell("error", fd, text)
end

function handler.warning(fd, kbytes)
  tell("warning", fd, kbytes)
end

local commands = {}

local function connection_of(fd)
  return assert(unforward(fd), "fd " .. tostring(fd) .. " is not connected")
end

function commands.forward(source, fd, client, agent)
  local connection = connection_of(fd)
  connection.client = client or 0
  connection.agent = agent or source
  fds[connection.agent] = fd
  gateserver.openclient(fd)
end

function commands.accept(_, fd)
  connection_of(fd)
  gateserver.openclient(fd)
end

function commands.kick(source, fd)
  gateserver.closeclient(fd or fds[source])
end

function handler.command(cmd, source, ...)
  local command = assert(commands[cmd], "unknown command")
  return command(source, ...)
end

gateserver.start(handler)
