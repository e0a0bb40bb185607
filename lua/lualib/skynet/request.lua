--- Several requests at once, answered in the order in which the answers come.
--
--    local list = skynet.request { a, "lua", "get", 1 }:add { b, "lua", "get" }
--    for request, answer in list:select(100) do
--      print(request[1], answer and answer[1] or "failed")
--    end
-- @module skynet.request

local core = require "skynet.core"
local scheduler = require "skynet.scheduler"
local messages = require "skynet.messages"

local requests = {}
requests.__index = requests

--- Adds a request.
-- @tparam table request { address, protocol, argument... }, and whatever keys the caller likes
-- @return the same object
function requests:add(request)
  if type(request) ~= "table" or self._arrived then
    core.raise "a table, before select(), expected"
  end
  self[#self + 1] = request
  return self
end

local function send_all(self)
  for _, request in ipairs(self) do
    local protocol = messages.protocol(request[2])
    local session = messages.request(request[1], protocol,
      protocol.pack(table.unpack(request, 3, request.n or #request)))
    if session == nil then
      self._arrived[#self._arrived + 1] = { request }
    else
      self._pending[session] = request
      scheduler.on_answer(session, function(ok, memory, size)
        self._pending[session] = nil
        local unpacked, answer = pcall(function()
          return ok and table.pack(protocol.unpack(memory, size))
        end)
        self._arrived[#self._arrived + 1] = { request, unpacked and answer }
        scheduler.wakeup(self)
      end)
    end
  end
end

local function start_timer(self, timeout)
  self._timer = scheduler.next_session()
  core.timeout(self._timer, timeout)
  scheduler.on_answer(self._timer, function()
    self._timer = nil
    self.timeout = true
    scheduler.wakeup(self)
  end)
end

--- Sends all requests; the iterator that this returns suspends until an answer comes, and ends when
-- all came or the time is over (then `timeout` of this object is true).
-- @tparam[opt] integer timeout hundredths of a second
-- @return iterator of request, answer: a table of what was answered; false: the call failed; nil:
-- nobody lives at the address
function requests:select(timeout)
  if self._arrived then
    core.raise "select() was called before"
  end
  scheduler.check()
  self._arrived, self._pending = {}, {}
  send_all(self)
  if timeout then
    start_timer(self, timeout)
  end
  local taken = 0
  local function next_answer()
    while taken == #self._arrived do
      if next(self._pending) == nil or self.timeout then
        return nil
      end
      scheduler.wait(self)
    end
    taken = taken + 1
    return self._arrived[taken][1], self._arrived[taken][2]
  end
  return next_answer, nil, nil, self
end

--- Gives up: answers that are still to come are dropped. A for loop over select() does it.
function requests:close()
  for session in pairs(self._pending or {}) do
    scheduler.forget(session)
  end
  self._pending = {}
  if self._timer then
    scheduler.forget(self._timer)
    self._timer = nil
  end
end

requests.__call = requests.add
requests.__close = requests.close

--- A new list of requests.
-- @tparam[opt] table request the first
return function(request)
  local list = setmetatable({}, requests)
  return request and list:add(request) or list
end
