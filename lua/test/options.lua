-- Do options of a single socket take effect, wherever they are given, and does a wrong one raise
-- before anything is made?

local core = require "skynet.core"
local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

local EVERY_OPTION = {
  nodelay = false,
  keepalive = true,
  keepalive_idle = 6000,
  keepalive_interval = 1001,
  keepalive_count = 5,
  send_buffer = 65536,
  receive_buffer = 65536,
  connect_timeout = 1000,
  idle_timeout = 6000,
  send_limit = 1024 * 1024,
  send_limit_policy = "abort",
}

--- A port whose listener's queue is full: the next connect gets no answer.
local function deaf_port()
  local _, _, port = assert(socket.listen("127.0.0.1", 0, 1))
  for _ = 1, 2 do
    assert(socket.open("127.0.0.1", port))
  end
  return port
end

function cases.every_option_is_taken_by_open_listen_and_start()
  local accepted = harness.event()
  local listener, _, port = assert(socket.listen("127.0.0.1", 0, 16, EVERY_OPTION))
  assert(socket.start(listener, function(id)
    assert(socket.start(id, EVERY_OPTION))
    accepted.set(id)
  end, EVERY_OPTION))
  local client = assert(socket.open("127.0.0.1", port, EVERY_OPTION))
  local server = accepted.await()
  socket.write(client, "hello")
  equal(socket.read(server), "hello")
end

function cases.options_may_stand_behind_an_address_in_one_string()
  local listener, _, port = assert(socket.listen("127.0.0.1:0", EVERY_OPTION))
  assert(socket.start(listener, function(id)
    socket.close_fd(id)
  end))
  local client = assert(socket.open("127.0.0.1:" .. port, EVERY_OPTION))
  equal(socket.read(client), false)
end

function cases.keepalive_times_are_rounded_up_to_seconds()
  driver.check_option("keepalive_idle", 1) -- Not down to 0, which no socket takes.
  driver.check_option("keepalive_interval", 99)
end

function cases.wrong_option_raises_and_nothing_is_made()
  local wrong = {
    { no_delay = true }, { nodelay = 1 }, { nodelay = "yes" }, { keepalive_idle = 0 },
    { keepalive_idle = 1 << 40 }, { keepalive_interval = -1 }, { keepalive_count = 128 },
    { keepalive_count = 1.5 }, { send_buffer = 0 }, { receive_buffer = 1 << 31 },
    { connect_timeout = -1 }, { connect_timeout = 1 << 31 }, { connect_timeout = math.maxinteger },
    { idle_timeout = "1" }, { idle_timeout = {} }, { send_limit = 0 }, { send_limit = 2 ^ 53 },
    { send_limit_policy = "drop" }, { send_limit_policy = 1 }, { [1] = true },
  }
  local _, server = harness.pair()
  local used = core.counts().slots_used
  for i, options in ipairs(wrong) do
    assert(not pcall(socket.open, "127.0.0.1", 1, options), "open took options " .. i)
    assert(not pcall(socket.listen, "127.0.0.1", 0, nil, options), "listen took options " .. i)
    assert(not pcall(socket.start, 12345, nil, options), "start took options " .. i)
    local name, value = next(options)
    assert(not pcall(driver.set_option, server, name, value), "set_option took options " .. i)
  end
  assert(not pcall(socket.open, "127.0.0.1", 1, "options"))
  equal(core.counts().slots_used, used)
  equal(socket.invalid(12345), true)
end

function cases.connect_timeout_ends_an_open_that_nobody_answers()
  local port = deaf_port()
  local before = skynet.now()
  local id, reason = socket.open("127.0.0.1", port, { connect_timeout = 10 })
  equal(id, nil)
  assert(reason:find("timed out"), reason)
  assert(skynet.now() - before >= 9)
end

function cases.idle_timeout_ends_a_silent_connection()
  local client, server = harness.pair()
  assert(driver.set_option(server, "idle_timeout", 10))
  equal(socket.read(client), false)
  equal(socket.read(server), false)
  harness.expect_log("idle timeout")
end

function cases.options_of_a_listener_are_those_of_its_connections()
  for _, given_to_start in ipairs { false, true } do
    local options = { idle_timeout = 10 }
    local listener, _, port =
      assert(socket.listen("127.0.0.1", 0, nil, not given_to_start and options or nil))
    assert(socket.start(listener, function(id)
      assert(socket.start(id))
      equal(socket.read(id), false)
      socket.close(id)
    end, given_to_start and options or nil))
    local client = assert(socket.open("127.0.0.1", port))
    equal(socket.read(client), false)
    harness.expect_log("idle timeout")
    equal(socket.disconnected(listener), false)
  end
end

function cases.options_of_start_are_set_on_the_connection()
  local port = harness.listen(function(id)
    assert(socket.start(id, { idle_timeout = 10 }))
  end)
  local client = assert(socket.open("127.0.0.1", port))
  equal(socket.read(client), false)
  harness.expect_log("idle timeout")
end

function cases.options_of_open_are_set_on_the_connection()
  local port = harness.listen(function(id)
    assert(socket.start(id))
  end)
  local client = assert(socket.open("127.0.0.1", port, { idle_timeout = 10 }))
  equal(socket.read(client), false)
  harness.expect_log("idle timeout")
end

function cases.policy_abort_ends_a_connection_beyond_its_limit()
  local client, server = harness.pair()
  driver.set_option(client, "send_limit", 1000)
  driver.set_option(client, "send_limit_policy", "abort")
  harness.eventually(function()
    return select(2, socket.write(client, ("x"):rep(1001))) == "limit"
  end)
  equal(socket.read(client), false)
  socket.readall(server)
end

function cases.options_of_a_socket_that_is_gone_are_ignored()
  equal(driver.set_option(2 ^ 31 - 1, "nodelay", true), true)
  driver.nodelay(2 ^ 31 - 1)
  local client = harness.pair()
  driver.nodelay(client)
  assert(not pcall(driver.nodelay, 0))
end

harness.run(cases, ...)
