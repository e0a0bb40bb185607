--- Critical sections: `local lock = queue()`; `lock(f, ...)` runs `f(...)` when every earlier call
-- of another coroutine has ended, whatever those wait for meanwhile.
-- @module skynet.queue

local scheduler = require "skynet.scheduler"

local running = coroutine.running

--- Lets the one that has waited longest in.
local function leave(self)
  self.depth = self.depth - 1
  if self.depth > 0 then
    return
  end
  self.owner = nil
  while self.first <= self.last do
    local turn = self[self.first]
    self[self.first] = nil
    self.first = self.first + 1
    if scheduler.wakeup(turn) then -- Else it was killed while it waited.
      self.owner = turn.co
      return
    end
  end
end

local section = { __close = leave }

--- Suspends until leave() lets the running coroutine in, whoever wakes that coroutine meanwhile. If
-- it is killed on its way in, the next one has its turn.
local function wait_for_turn(self, co)
  local came = false
  local _ <close> = setmetatable({}, {
    __close = function()
      if not came and self.owner == co then
        self.depth = 1
        leave(self)
      end
    end,
  })
  local turn = { co = co } -- The token, which nobody else has.
  self.last = self.last + 1
  self[self.last] = turn
  scheduler.wait(turn)
  came = true
end

local function call(self, f, ...)
  local _ <close> = self -- Left when f raises, and when its coroutine is killed, too.
  return f(...)
end

--- @treturn function lock(f, ...): returns or raises what `f(...)` does. A coroutine inside may
-- call it again.
return function()
  local self = setmetatable({ depth = 0, first = 1, last = 0 }, section)
  return function(f, ...)
    local co = running()
    if self.owner ~= nil and self.owner ~= co then
      wait_for_turn(self, co)
    end
    self.owner = co
    self.depth = self.depth + 1
    return call(self, f, ...)
  end
end
