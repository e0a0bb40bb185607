--- Gate, watchdog and agents under load: CLIENTS connections at once, each sends MESSAGES frames
-- and checks every answer. Then all is gone again: slots, descriptors, services, Lua memory.
-- Usage: skysock gate_load.lua [CLIENTS [MESSAGES]]   (default 5000 100)

local core = require "skynet.core"
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

-- What a service's pools and tables may grow by once more, when more of its clients are at work at
-- the same time than in the first round: less than any object per client.
local MEMORY_SLACK_KB, SLACK_KB_PER_CLIENT = 256, 0.125

local function run_agent()
  local fd
  skynet.register_protocol {
    name = "client",
    id = skynet.PTYPE_CLIENT,
    unpack = skynet.tostring,
    dispatch = function(session, _, text)
      assert(session == fd, "frame of another client")
      skynet.ignoreret()
      socket.write(fd, string.pack(">s2", text:reverse()))
    end,
  }
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, cmd, gate, client)
      if cmd == "start" then
        fd = client
        skynet.call(gate, "lua", "forward", fd)
        skynet.retpack()
      else
        skynet.exit()
      end
    end)
  end)
end

local function run_watchdog()
  local gate
  local agents = {}
  local count = 0
  local on_socket = {}

  function on_socket.open(fd)
    local agent = skynet.newservice("gate_load", "agent")
    agents[fd] = agent
    count = count + 1
    skynet.call(agent, "lua", "start", gate, fd)
  end

  function on_socket.close(fd)
    skynet.call(gate, "lua", "kick", fd)
    skynet.send(agents[fd], "lua", "exit")
    agents[fd] = nil
    count = count - 1
  end

  local commands = {}

  function commands.open(conf)
    return skynet.call(gate, "lua", "open", conf)
  end

  function commands.state()
    collectgarbage()
    return count, collectgarbage "count"
  end

  skynet.start(function()
    skynet.dispatch("lua", function(_, _, cmd, ...)
      if cmd == "socket" then
        local event = ...
        on_socket[event](select(2, ...))
      else
        skynet.retpack(commands[cmd](...))
      end
    end)
    gate = skynet.newservice "gate"
  end)
end

--- One client: every answer is the message reversed.
local function run_client(port, number, messages)
  local id = assert(socket.open("127.0.0.1", port))
  for i = 1, messages do
    local text = ("client %d message %d "):format(number, i) .. ("x"):rep((number + i) % 64)
    socket.write(id, string.pack(">s2", text))
    local header = assert(socket.read(id, 2), "the gate closed")
    local answer = assert(socket.read(id, (string.unpack(">I2", header))), "the gate closed")
    assert(answer == text:reverse(), "wrong answer")
  end
  socket.close(id)
end

local function run_clients(port, clients, messages)
  local done, failure = 0, nil
  local finished = {}
  for number = 1, clients do
    skynet.fork(function()
      local ok, err = xpcall(run_client, debug.traceback, port, number, messages)
      failure = failure or not ok and err or nil
      done = done + 1
      if done == clients then
        skynet.wakeup(finished)
      end
    end)
  end
  skynet.wait(finished)
  assert(not failure, failure)
end

local function open_descriptors()
  -- popen has closed its half of the pipe by then.
  local list <close> = assert(io.popen "sleep 0.2; ls /proc/$PPID/fd | wc -l")
  return list:read "n"
end

--- What has to be the same again, once the agents are gone.
local function state(watchdog)
  local agents, watchdog_kb
  repeat
    skynet.sleep(5)
    agents, watchdog_kb = skynet.call(watchdog, "lua", "state")
  until agents == 0
  local counts, settled
  repeat -- The server lingers for a moment on what it closed; agents end after their last message.
    settled = counts
    skynet.sleep(20)
    counts = core.counts()
  until settled and counts.slots_used == settled.slots_used and counts.services == settled.services
  collectgarbage()
  return {
    slots = counts.slots_used,
    services = counts.services,
    descriptors = open_descriptors(),
    clients_kb = collectgarbage "count",
    watchdog_kb = watchdog_kb,
  }
end

local function run_load(clients, messages)
  local watchdog = skynet.newservice("gate_load", "watchdog")
  local _, port = skynet.call(watchdog, "lua", "open", {
    address = "127.0.0.1",
    port = 0,
    maxclient = clients,
    nodelay = true,
  })
  run_clients(port, clients, 1) -- Every pool and table gets the size that it will need.
  local before = state(watchdog)
  local start = skynet.now()
  run_clients(port, clients, messages)
  local elapsed = (skynet.now() - start) / 100
  local after = state(watchdog)
  print(("%d clients, %d messages each, %d answers checked in %.2f s"):format(clients, messages,
    clients * messages, elapsed))
  for name, value in pairs(after) do
    print(("%-12s %10.0f before, %10.0f after"):format(name, before[name], value))
    local slack = name:find "_kb$" and MEMORY_SLACK_KB + clients * SLACK_KB_PER_CLIENT or 0
    assert(value <= before[name] + slack, name .. " did not come back")
  end
end

local mode, messages = ...
if mode == "agent" then
  run_agent()
elseif mode == "watchdog" then
  run_watchdog()
else
  skynet.start(function()
    run_load(math.tointeger(tonumber(mode or 5000)), math.tointeger(tonumber(messages or 100)))
    skynet.abort()
  end)
end
