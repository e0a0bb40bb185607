--- Messages between services: protocols, requests and answers.
--
-- A coroutine that handles a message owes its sender an answer until it gave one (`owed_session`;
-- 0: none is wanted). What a service still owes when its VM ends is answered with an error, so
-- nobody waits for a service that is gone, however it ended.
-- @module skynet.messages

local core = require "skynet.core"
local scheduler = require "skynet.scheduler"

local running = coroutine.running
local getinfo = debug.getinfo
local core_send, answer, run_queues = core.send, scheduler.answer, scheduler.run_queues

local messages = {
  PTYPE_TEXT = 0,
  PTYPE_RESPONSE = 1,
  PTYPE_MULTICAST = 2,
  PTYPE_CLIENT = 3,
  PTYPE_SYSTEM = 4,
  PTYPE_HARBOR = 5,
  PTYPE_SOCKET = 6,
  PTYPE_ERROR = 7,
  PTYPE_QUEUE = 8,
  PTYPE_DEBUG = 9,
  PTYPE_LUA = 10,
  PTYPE_SNAX = 11,
  PTYPE_TRACE = 12,
}

local PTYPE_RESPONSE, PTYPE_ERROR = messages.PTYPE_RESPONSE, messages.PTYPE_ERROR

local protocols = {} -- type number or name -> protocol.
local watching = {} -- session of a request of ours -> address that it went to.
local owed_session, owed_to = {}, {} -- coroutine that handles a message -> session, sender.
local unanswered = {} -- function made by response() -> true.

--- @treturn string ":" and eight hexadecimal digits for a handle, else tostring(address).
function messages.address(address)
  if type(address) == "number" then
    return (":%08x"):format(address)
  end
  return tostring(address)
end

local function protocol_of(name)
  return protocols[name] or core.raise("unknown protocol " .. tostring(name))
end

--- Protocols --------------------------------------------------------------------------------------

--- Adds a message type.
-- @tparam table class `name`, `id` (0 to 255), `pack(...)` (returns a string, or memory and size),
-- `unpack(memory, size)`, `dispatch(session, source, ...)`; with `inline` true, dispatch runs
-- without a coroutine, so it must not wait.
-- @raises if name or id is taken
function messages.register_protocol(class)
  local name, id = class.name, class.id
  if type(name) ~= "string" then
    core.raise "protocol name expected"
  elseif math.type(id) ~= "integer" or id < 0 or id > 255 then
    core.raise "protocol id from 0 to 255 expected"
  elseif protocols[name] or protocols[id] then
    core.raise "protocol registered twice"
  end
  protocols[name] = class
  protocols[id] = class
end

--- Sets the dispatch function of a message type, if one is given.
-- @treturn function|nil the one before; nil, too, when only asked for one of no protocol
-- @raises when one is given and the protocol is unknown
function messages.dispatch(name, f)
  if f == nil and protocols[name] == nil then
    return nil
  end
  local protocol = protocol_of(name)
  local before = protocol.dispatch
  if f and protocol.id == messages.PTYPE_SOCKET then
    core.see_sockets() -- Else most of it never comes here.
  end
  protocol.dispatch = f or before
  return before
end

messages.protocol = protocol_of

--- Sending ----------------------------------------------------------------------------------------

--- Sends a message that asks for no answer.
-- @tparam integer|string address handle, or a name like ".launcher"
-- @tparam string name protocol
-- @param ... for the protocol's pack
-- @treturn integer|nil 0; nil if nobody lives there
function messages.send(address, name, ...)
  local protocol = protocol_of(name)
  return core_send(address, protocol.id, 0, protocol.pack(...))
end

--- The same with what pack would return: a string, or memory (which is used up) and its size.
function messages.rawsend(address, name, memory, size)
  return core_send(address, protocol_of(name).id, 0, memory, size)
end

--- Sends in the name of another service.
-- @tparam integer|string address
-- @tparam integer source who shall seem to have sent it
-- @tparam string name protocol
-- @tparam integer session
-- @param memory a string, or memory (which is used up) and its size
function messages.redirect(address, source, name, session, memory, size)
  return core.redirect(address, source, protocol_of(name).id, session, memory, size)
end

--- Sends a request; returns its session, or nil if nobody lives there.
function messages.request(address, protocol, memory, size)
  local session = scheduler.next_session()
  if core_send(address, protocol.id, session, memory, size) == nil then
    return nil
  end
  watching[session] = address
  return session
end

local function await_answer(address, protocol, memory, size)
  local session = messages.request(address, protocol, memory, size)
  if session == nil then
    error("call to invalid address " .. messages.address(address), 3)
  end
  local ok, answered, answered_size = scheduler.await(session)
  if ok ~= true then
    error("call failed", 3)
  end
  return answered, answered_size
end

--- Sends a request and suspends until it is answered.
-- @tparam integer|string address
-- @tparam string name protocol
-- @param ... for the protocol's pack
-- @return what the protocol's unpack makes of the answer
-- @raises "call to invalid address" when nobody lives there; "call failed" when the other service
-- raised, ended, or refused to answer
function messages.call(address, name, ...)
  scheduler.check()
  local protocol = protocol_of(name)
  return protocol.unpack(await_answer(address, protocol, protocol.pack(...)))
end

--- The same with what pack would return.
-- @return memory and size of the answer, valid until the coroutine yields
function messages.rawcall(address, name, memory, size)
  scheduler.check()
  local answered, answered_size = await_answer(address, protocol_of(name), memory, size)
  return answered, answered_size
end

--- Answering --------------------------------------------------------------------------------------

--- Answers a request with an error; nil if nobody is there to hear it.
local function refuse(to, session)
  if to ~= 0 then -- Else the runtime or a redirect() in nobody's name.
    return core_send(to, PTYPE_ERROR, session, "")
  end
end

--- What the running coroutine owes: session and sender. It owes nothing any more.
local function take_owed()
  local co = scheduler.current()
  local session, to = owed_session[co], owed_to[co]
  if session ~= nil then
    owed_session[co], owed_to[co] = nil, nil
  end
  return session, to
end

--- Answers the message that this coroutine handles.
-- @param[opt=""] memory a string, or memory (which is used up) and its size
-- @treturn boolean whether somebody got the answer
-- @raises in a coroutine that handles no message, or has answered it
function messages.ret(memory, size)
  local session, to = take_owed()
  if session == nil or session == 0 then
    core.trash(memory, size)
    if session == nil then
      error("No session", 2)
    end
    return false
  end
  return core_send(to, PTYPE_RESPONSE, session, memory or "", size) ~= nil
end

--- The same with values, packed as for the protocol "lua".
function messages.retpack(...)
  local memory, size = core.pack(...)
  return messages.ret(memory, size)
end

--- What the message that this coroutine handles said.
-- @treturn integer|nil session, 0 when no answer is wanted; nil when none is handled or it was
-- answered
-- @treturn integer|nil sender
function messages.context()
  local co = scheduler.current()
  return owed_session[co], owed_to[co]
end

--- The message that this coroutine handles needs no answer of ret().
function messages.ignoreret()
  take_owed()
end

--- Lets the message that this coroutine handles be answered later, from anywhere in the service.
-- @tparam[opt] function pack default: as for the protocol "lua"
-- @treturn function answer(ok, ...): with true sends pack(...), else an error; returns whether
-- somebody got it; a second call raises. answer("TEST") returns whether an answer is still due.
-- @raises in a coroutine that handles no message, or has answered it
function messages.response(pack)
  pack = pack or core.pack
  local session, to = take_owed()
  if session == nil then
    error("no session", 2)
  elseif session == 0 then
    return function() end
  end
  local function respond(ok, ...)
    if ok == "TEST" then
      return unanswered[respond] ~= nil
    elseif not unanswered[respond] then
      error("Can't response more than once", 2)
    end
    local sent
    if ok then
      sent = core_send(to, PTYPE_RESPONSE, session, pack(...))
    else
      sent = refuse(to, session)
    end
    unanswered[respond] = nil
    return sent ~= nil
  end
  unanswered[respond] = true
  return respond
end

--- Receiving --------------------------------------------------------------------------------------

--- A coroutine that will not go on cannot answer any more.
function scheduler.on_drop(co)
  local session, to = owed_session[co], owed_to[co]
  owed_session[co], owed_to[co] = nil, nil
  if session and session ~= 0 then
    refuse(to, session)
  end
end

-- When the VM ends, everybody who still waits for an answer gets an error.
setmetatable(owed_session, {
  __gc = function()
    for co in pairs(owed_session) do
      scheduler.on_drop(co)
    end
    for respond in pairs(unanswered) do
      respond(false)
    end
  end,
})

local function handle(f, unpack, session, source, memory, size)
  local co = running()
  owed_session[co], owed_to[co] = session, source
  f(session, source, unpack(memory, size))
  local owed = owed_session[co]
  if owed then
    owed_session[co], owed_to[co] = nil, nil
    if owed ~= 0 then
      local from = getinfo(f, "S")
      core.error(("Maybe forgot response session %d from %s : %s:%d"):format(
        owed, messages.address(source), from.source, from.linedefined))
    end
  end
end

local function log_unknown_request(_, source, _, _, what)
  local protocol = protocols[what]
  local problem = protocol
    and ("no dispatch function for %q (type %d)"):format(protocol.name, protocol.id)
    or "unknown type " .. what
  core.error(("%s: message from %s dropped"):format(problem, messages.address(source)))
end

local function log_unknown_response(session, source)
  core.error(("response with unknown session %d from %s dropped"):format(
    session, messages.address(source)))
end

local unknown_request, unknown_response = log_unknown_request, log_unknown_response

--- Sets what happens to a message that nobody dispatches and that asks for no answer; one that does
-- is refused and logged. Default: it is logged.
-- @tparam[opt] function f f(session, source, memory, size, name): a protocol's name, or the type
-- number of one that is not registered; must not wait
-- @treturn function the one before
function messages.dispatch_unknown_request(f)
  local before = unknown_request
  unknown_request = f or before
  return before
end

--- Sets what happens to an answer that nobody waits for. Default: it is logged.
-- @tparam[opt] function f f(session, source, memory, size), must not wait
-- @treturn function the one before
function messages.dispatch_unknown_response(f)
  local before = unknown_response
  unknown_response = f or before
  return before
end

local function on_message(ptype, memory, size, session, source)
  local protocol = protocols[ptype]
  local f = protocol and protocol.dispatch
  if f then
    scheduler.run(handle, f, protocol.unpack, session, source, memory, size)
    return
  end
  local what = protocol and protocol.name or ptype
  if session > 0 then
    refuse(source, session)
    log_unknown_request(session, source, memory, size, what)
  else
    unknown_request(session, source, memory, size, what)
  end
end

local function on_response(session, memory, size, source)
  watching[session] = nil
  if not answer(session, true, memory, size) then
    unknown_response(session, source, memory, size)
  end
end

--- Handles one message, then lets coroutines run that it woke: what start() lets the runtime call.
-- When this raises, which only an inline protocol and who is told of unknown messages can, the
-- runtime calls it again: without a type, and with the error's text.
function messages.dispatch_message(ptype, memory, size, session, source)
  local protocol = protocols[ptype]
  if protocol and protocol.inline then
    protocol.dispatch(session, source, protocol.unpack(memory, size))
  elseif ptype == PTYPE_RESPONSE then
    on_response(session, memory, size, source)
  elseif ptype then
    on_message(ptype, memory, size, session, source)
  else
    core.error(memory)
  end
  return run_queues()
end

--- Makes the calls that wait for a service fail, as if it had ended.
-- @tparam integer service
function messages.term(service)
  for session, address in pairs(watching) do
    if address == service or type(address) == "string" and core.query(address) == service then
      watching[session] = nil
      scheduler.fail(session)
    end
  end
end

messages.register_protocol {
  name = "lua",
  id = messages.PTYPE_LUA,
  pack = core.pack,
  unpack = core.unpack,
}

messages.register_protocol { name = "response", id = PTYPE_RESPONSE }

-- Session 0: the whole service is gone.
messages.register_protocol {
  name = "error",
  id = PTYPE_ERROR,
  inline = true,
  unpack = function() end,
  dispatch = function(session, source)
    if session == 0 then
      messages.term(source)
    elseif watching[session] then
      watching[session] = nil
      answer(session, false)
    end
  end,
}

return messages
