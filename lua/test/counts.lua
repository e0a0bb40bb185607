-- Do the counts that a script can read say what its sockets did?

local core = require "skynet.core"
local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local harness = require "harness"

local equal = harness.equal
local cases = {}

--- How much every figure grew while `f` ran.
local function growth(f)
  local before = core.counts()
  f()
  local grown = core.counts()
  for name, value in pairs(grown) do
    grown[name] = value - before[name]
  end
  return grown
end

function cases.counts_are_integers_under_flat_names()
  local counts = core.counts()
  local figures = 0
  for name, value in pairs(counts) do
    assert(name:find("^[%w_]+$"), name)
    equal(math.type(value), "integer")
    figures = figures + 1
  end
  assert(figures > 50, "only " .. figures .. " figures")
  assert(counts.services >= 1 and counts.messages_delivered >= 1)
end

function cases.counts_say_what_an_exchange_did()
  local packets_K = core.counts().packets_K
  local grown = growth(function()
    local client, server = harness.pair()
    assert(socket.write(client, ("x"):rep(1000)))
    equal(#socket.read(server, 1000), 1000)
    socket.close(client)
    equal(socket.read(server), false)
    socket.close(server) -- Does not wait: CLOSE came already.
    while core.counts().packets_K < packets_K + 2 do
      skynet.sleep(1)
    end
  end)
  equal(grown.accepts, 1)
  equal(grown.bytes_read, 1000)
  equal(grown.bytes_written, 1000)
  equal(grown.packets_L, 1)
  equal(grown.packets_S, 2) -- The listener and what it accepted.
  equal(grown.packets_K, 2)
  equal(grown.closes_eof + grown.closes_close_final + grown.closes_close_flushed, grown.closes)
  equal(grown.decode_errors, 0)
end

function cases.counts_of_refused_sends_grow()
  local grown = growth(function()
    driver.send(2 ^ 31 - 1, "nobody")
  end)
  equal(grown.refused_sends, 1)
  equal(grown.bytes_written, 0)
end

harness.run(cases, ...)
