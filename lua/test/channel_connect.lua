-- Does a socket channel connect as it was told, and go on when that goes wrong in a way that its
-- callers did not expect?

local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local socketchannel = require "skynet.socketchannel"
local harness = require "harness"

local equal = harness.equal
local cases = {}

--- A channel to a server that sends back what comes.
local function echo_channel(desc)
  desc.host, desc.port = "127.0.0.1", harness.listen(harness.echo)
  return socketchannel.channel(desc)
end

local function read_line(stream)
  return true, stream:readline "\n"
end

function cases.channel_whose_connect_raises_says_so_each_time()
  local channel = socketchannel.channel { host = "127.0.0.1", port = 0 }
  for _ = 1, 2 do
    harness.expect_error("port from 1 to 65535", channel.request, channel, "x\n", read_line)
  end
end

function cases.channel_connects_again_when_who_connected_was_killed()
  local killed = false
  local channel = echo_channel { auth = function(channel)
    equal(channel:request("auth\n", read_line), "auth")
    if not killed then
      skynet.wait()
    end
  end }
  local thread = skynet.fork(channel.request, channel, "first\n", read_line)
  skynet.sleep(5)
  local waiting = harness.spawn(pcall, channel.request, channel, "second\n", read_line)
  skynet.yield()
  killed = true
  equal(skynet.killthread(thread), thread)
  local ok, err = waiting.join()
  assert(not ok and err == socketchannel.error)
  equal(channel:request("third\n", read_line), "third") -- On a connection that was authorised.
  channel:close()
end

function cases.channel_sets_nodelay_only_if_told()
  local given = {}
  local nodelay = driver.nodelay
  function driver.nodelay(id)
    given[#given + 1] = id
    return nodelay(id)
  end
  echo_channel({ nodelay = true }):connect(true)
  equal(#given, 1)
  echo_channel({}):connect(true)
  equal(#given, 1)
  driver.nodelay = nodelay
end

function cases.channel_pauses_between_attempts_to_connect()
  local channel = socketchannel.channel { host = "127.0.0.1", port = harness.closed_port() }
  local caller = harness.spawn(pcall, channel.connect, channel)
  skynet.sleep(50)
  channel:close()
  equal(caller.join(), false)
  local attempts = 0
  while pcall(harness.expect_log, "connect to 127.0.0.1:%d+ failed: ") do
    attempts = attempts + 1
  end
  assert(attempts <= 3, attempts) -- At once, once more, and after a second: then it is closed.
end

harness.run(cases, ...)
