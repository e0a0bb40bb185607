--- A connection to a server that many coroutines share: each sends requests and gets its answers.
--
-- In order mode the server answers in the order of the requests: each brings a function that reads
-- its own answer. In session mode (`response` in the description) one function reads every
-- answer and says whose it is.
--
-- The connection is made by the first request and made again by the next one after it was lost.
-- What the network did wrong is raised as `socketchannel.error`, the same object each time.
-- @module skynet.socketchannel

local core = require "skynet.core"
local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"

local socketchannel = {}

local socket_error = setmetatable({}, {
  __tostring = function()
    return "[Error: socket]"
  end,
})
socketchannel.error = socket_error

local RETRY_STEP, RETRY_MAX = 100, 1000 -- 1/100 s between attempts to connect.

--- A function of skynet.socket that raises where that returns nil or false.
local function raising(read)
  return function(self, ...)
    local data = read(self[1], ...)
    if not data then
      error(socket_error)
    end
    return data
  end
end

--- A stream is what a function that reads an answer gets: [1] is the socket's id.
local function stream_methods(desc)
  return {
    __index = {
      read = desc.socket_read or raising(socket.read),
      readline = desc.socket_readline or raising(socket.readline),
    },
  }
end

local channel_methods = {}
local channel_meta = { __index = channel_methods }

--- Makes a channel; nothing is connected yet.
-- @tparam table desc `host`, `port`; optional: `response(stream)` for session mode returns session,
-- ok, data[, padding]; `auth(channel)` runs after each connect, before any other request; `backup`,
-- a list of hosts or {host, port} to try if the first fails; `nodelay`; `overload(busy)` hears when
-- output begins to wait and when all of it was sent.
function socketchannel.channel(desc)
  return setmetatable({
    __host = desc.host or core.raise "host expected",
    __port = desc.port or core.raise "port expected",
    __backup = desc.backup,
    __auth = desc.auth,
    __auth_coroutine = false, -- The coroutine that runs auth.
    __response = desc.response,
    __nodelay = desc.nodelay,
    __overload_notify = desc.overload,
    __overload = false,
    __stream_meta = stream_methods(desc),
    __sock = false, -- The stream while there is a connection.
    __connecting = false, -- Tokens of coroutines that wait while another one connects.
    __closed = false,
    __sessions = {}, -- session -> request
    __queue = {}, -- Requests in order: [__first] to [__last].
    __first = 1,
    __last = 0,
  }, channel_meta)
end

--- Answers ----------------------------------------------------------------------------------------

-- A request that waits: `response` (function or session), `ok` and `data` once it has its answer,
-- `parts` of one with padding. It is the token that its coroutine sleeps on.

local function finish(request, ok, data)
  local parts = request.parts
  if ok == true and parts then
    parts[#parts + 1] = data
    data = parts
  end
  request.ok, request.data = ok, data
  skynet.wakeup(request)
end

--- Takes an answer. True if it was the last one for the request.
local function take_answer(request, ok, data, padding)
  if padding and ok then
    request.parts = request.parts or {}
    request.parts[#request.parts + 1] = data
    return false
  end
  finish(request, ok and true or false, data)
  return true
end

local function pop_request(self)
  local request = self.__queue[self.__first]
  if request then
    self.__queue[self.__first] = nil
    self.__first = self.__first + 1
  end
  return request
end

local function fail_all(self, reason)
  local sessions = self.__sessions
  self.__sessions = {}
  for _, request in pairs(sessions) do
    finish(request, socket_error, reason)
  end
  local request = pop_request(self)
  while request do
    finish(request, socket_error, reason)
    request = pop_request(self)
  end
end

--- Gives the connection up; `stream` says which one is meant, so that a late error of an old one
-- does not end the next.
local function disconnect(self, stream, reason)
  if not stream or self.__sock ~= stream then
    return
  end
  self.__sock = false
  fail_all(self, reason)
  skynet.wakeup(stream) -- Its reader, if that has nothing to read.
  skynet.fork(socket.close, stream[1])
end

--- The reason that those who wait are told: what the function raised, unless the socket failed.
local function reason_of(err)
  if err ~= socket_error then
    return err
  end
end

local function read_in_order(self, stream)
  while self.__sock == stream do
    local request = pop_request(self)
    if request == nil then
      skynet.wait(stream)
    else
      local read, ok, data, padding
      repeat
        read, ok, data, padding = pcall(request.response, stream)
      until not read or take_answer(request, ok, data, padding)
      if not read then
        local reason = reason_of(ok)
        finish(request, socket_error, reason)
        disconnect(self, stream, reason)
      end
    end
  end
end

local function read_by_session(self, stream)
  while self.__sock == stream do
    local read, session, ok, data, padding = pcall(self.__response, stream)
    if not read or session == nil then
      disconnect(self, stream, reason_of(session))
    elseif self.__sessions[session] == nil then
      skynet.error("socketchannel: unknown session " .. tostring(session))
    elseif take_answer(self.__sessions[session], ok, data, padding) then
      self.__sessions[session] = nil
    end
  end
end

--- Suspends until the answer is there; returns it or raises.
local function await_answer(self, response)
  local request = { response = response }
  if self.__response then
    if self.__sessions[response] then
      core.raise "session is used twice"
    end
    self.__sessions[response] = request
  else
    if type(response) ~= "function" then
      core.raise "function expected"
    end
    self.__last = self.__last + 1
    self.__queue[self.__last] = request
    skynet.wakeup(self.__sock)
  end
  skynet.wait(request)
  if request.ok == socket_error then
    error(request.data or socket_error, 0)
  elseif not request.ok then
    error(request.data, 0)
  end
  return request.data
end

--- Connecting -------------------------------------------------------------------------------------

--- The host, then its backups: the first that answers becomes the host.
local function open_any(self)
  local id, reason = socket.open(self.__host, self.__port)
  for _, address in ipairs(not id and self.__backup or {}) do
    local host, port = address, self.__port
    if type(address) == "table" then
      host, port = address.host, address.port or port
    end
    skynet.error(("socketchannel: trying backup %s:%s"):format(host, port))
    id = socket.open(host, port)
    if id then
      self.__host, self.__port = host, port
      break
    end
  end
  return id, reason
end

local function watch_overload(self, stream)
  local notify = self.__overload_notify
  self.__overload = false
  socket.warning(stream[1], function(id, kbytes)
    if self.__sock ~= stream then
      return
    end
    local busy = kbytes > 0
    if busy and self.__overload then
      skynet.error(("socketchannel: %d KiB wait to be sent to %s:%s (id %d)"):format(kbytes,
        self.__host, self.__port, id))
    elseif busy ~= self.__overload then
      self.__overload = busy
      notify(busy)
    end
  end)
end

--- Returns what a `local _ <close>` takes to call f(): also when the coroutine raises or is killed.
local function at_end(f)
  return setmetatable({}, { __close = f })
end

--- Runs the auth function. A connection that was not authorised is given up.
local function run_auth(self)
  self.__auth_coroutine = coroutine.running()
  local ok, err = false, nil
  local _ <close> = at_end(function()
    self.__auth_coroutine = false
    if not ok then
      disconnect(self, self.__sock)
    end
  end)
  ok, err = pcall(self.__auth, self)
  return ok, err
end

local connect_once

--- The auth function may change the host, which asks for another connection.
local function authorise(self)
  local ok, err = run_auth(self)
  if not ok then
    return false, "auth failed: " .. tostring(err)
  elseif not self.__sock then
    return connect_once(self)
  end
  return true
end

--- @treturn boolean whether there is a connection that may be used
-- @treturn string reason, if false
function connect_once(self)
  if self.__closed then
    return false, "channel closed"
  end
  local id, reason = open_any(self)
  if not id then
    return false, reason
  elseif self.__closed then
    socket.close(id)
    return false, "channel closed"
  end
  if self.__nodelay then
    driver.nodelay(id)
  end
  local stream = setmetatable({ id }, self.__stream_meta)
  if self.__overload_notify then
    watch_overload(self, stream)
  end
  self.__sock = stream
  skynet.fork(self.__response and read_by_session or read_in_order, self, stream)
  if self.__auth then
    return authorise(self)
  end
  return true
end

--- Tries until there is a connection or the channel was closed; with `once` only one time.
local function connect(self, once)
  local pause = 0
  while true do
    local ok, reason = connect_once(self)
    if ok then
      return
    end
    skynet.error(("socketchannel: connect to %s:%s failed: %s"):format(self.__host, self.__port,
      reason))
    if once or self.__closed then
      return
    end
    skynet.sleep(pause)
    pause = math.min(pause + RETRY_STEP, RETRY_MAX)
  end
end

--- Whether the connection can be used by the running coroutine; finds out that the peer has closed.
local function is_connected(self)
  local stream = self.__sock
  if stream and socket.disconnected(stream[1]) then
    disconnect(self, stream)
  end
  local authorising = self.__auth_coroutine
  return self.__sock and (not authorising or authorising == coroutine.running())
end

--- Connects for all who wait for that meanwhile; they go on however it ends.
local function connect_for_all(self, once)
  local waiting = {}
  self.__connecting = waiting
  local _ <close> = at_end(function()
    self.__connecting = false
    for _, token in ipairs(waiting) do
      skynet.wakeup(token)
    end
  end)
  connect(self, once)
end

--- Suspends until there is a connection; only one coroutine makes it.
local function await_connection(self, once)
  if is_connected(self) then
    return
  elseif self.__closed or self.__auth_coroutine == coroutine.running() then
    error(socket_error) -- auth lost the connection that it works on.
  elseif self.__connecting then
    local token = {}
    table.insert(self.__connecting, token)
    skynet.wait(token)
  else
    connect_for_all(self, once)
  end
  if not is_connected(self) then
    error(socket_error)
  end
end

--- Methods ----------------------------------------------------------------------------------------

--- Connects now; a closed channel can be used again.
-- @tparam[opt] boolean once false: tries again until it succeeds
-- @treturn boolean true
-- @raises socketchannel.error if `once` is true and it failed
function channel_methods:connect(once)
  self.__closed = false
  await_connection(self, once)
  return true
end

local function write(self, send, data)
  local stream = self.__sock
  if not stream or not send(stream[1], data) then
    disconnect(self, stream)
    error(socket_error)
  end
end

--- Sends a request and waits for its answer.
-- @param request what socket.write takes
-- @param[opt] response order mode: a function(stream) that returns ok, data[, padding] (again and
-- again while padding is true); session mode: the session. nil: there is no answer
-- @tparam[opt] table padding more parts of the request; all go with low priority
-- @return data; with padding answers a list of all parts
-- @raises socketchannel.error when the connection cannot be made or is lost, what the response
-- function raised, or data if it returned false, data
function channel_methods:request(request, response, padding)
  await_connection(self, true)
  if padding then
    write(self, socket.lwrite, request)
    for _, part in ipairs(padding) do
      write(self, socket.lwrite, part)
    end
  else
    write(self, socket.write, request)
  end
  if response == nil then
    return nil
  end
  return await_answer(self, response)
end

--- Waits for an answer without a request: what the server sends on its own, say.
-- @param response as for request
function channel_methods:response(response)
  await_connection(self, true)
  return await_answer(self, response)
end

--- Ends the connection; all who wait get socketchannel.error. connect() makes a new one.
function channel_methods:close()
  self.__closed = true
  disconnect(self, self.__sock)
end

--- Goes to another server from the next request on; all who wait get socketchannel.error.
function channel_methods:changehost(host, port)
  self.__host = host
  self.__port = port or self.__port
  disconnect(self, self.__sock)
end

--- Replaces the list of other servers to try.
function channel_methods:changebackup(backup)
  self.__backup = backup
end

return socketchannel
