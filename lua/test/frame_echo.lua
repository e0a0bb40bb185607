--- A gate for tests: sends every frame back with its length as it came. By command, a client is
-- refused by an error in `connect`, and "closed" says which clients' disconnect was called.

local skynet = require "skynet"
local socketdriver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"
local gateserver = require "snax.gateserver"

local header = ">s2"
local connect_fails = false
local slow = false
local closed = {}

local handler = {}

function handler.open(_, conf)
  header = ">s" .. (conf.header or 2)
  connect_fails, slow = conf.connect_fails, conf.slow
  return conf.address, conf.port
end

function handler.connect(fd)
  if connect_fails then
    error "no client wanted"
  end
  gateserver.openclient(fd)
end

function handler.message(fd, msg, size)
  local text = netpack.tostring(msg, size)
  if slow then
    skynet.sleep(text == "first" and 20 or 0)
  end
  socketdriver.send(fd, header:pack(text))
end

function handler.disconnect(fd)
  closed[#closed + 1] = fd
  gateserver.closeclient(fd)
end

function handler.command(cmd)
  assert(cmd == "closed", "unknown command " .. tostring(cmd))
  return #closed
end

gateserver.start(handler)
