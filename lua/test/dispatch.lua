-- Where does a message go that comes to a service: to its dispatch function, to whoever was asked to
-- take what nobody dispatches, or to the log? And what does a handler know of its message?

local core = require "skynet.core"
local skynet = require "skynet"
local harness = require "harness"

local equal, expect_error = harness.equal, harness.expect_error
local let_run, same_list = harness.let_run, harness.same_list
local cases, handlers = {}, {}
local self = skynet.self()

skynet.dispatch("lua", function(session, source, name, ...)
  handlers[name](session, source, ...)
end)

function cases.message_that_nobody_dispatches_is_logged_with_its_protocol_and_sender()
  skynet.register_protocol { name = "odd", id = 77, pack = skynet.pack, unpack = skynet.unpack }
  local from = " message from " .. skynet.address(self) .. " dropped"
  local undispatched = 'no dispatch function for "odd" (type 77):' .. from
  skynet.send(self, "odd", "no dispatch")
  let_run()
  equal(harness.expect_log "odd", undispatched)
  expect_error("call failed", skynet.call, self, "odd", "no dispatch")
  equal(harness.expect_log "odd", undispatched)
  core.send(self, 78, 0, "not registered")
  let_run()
  equal(harness.expect_log "78", "unknown type 78:" .. from)
  core.send(self, 78, nil, "not registered")
  let_run()
  equal(harness.expect_log "78", "unknown type 78:" .. from)
end

function cases.messages_and_answers_that_nobody_waits_for_can_be_dispatched()
  skynet.register_protocol { name = "odd", id = 77, pack = skynet.pack, unpack = skynet.unpack }
  local seen = {}
  local function note(session, source, memory, size, name)
    seen[#seen + 1] = { session, source, skynet.unpack(memory, size), name }
  end
  local default = skynet.dispatch_unknown_request(note)
  equal(skynet.dispatch_unknown_request(), note)
  skynet.send(self, "odd", "sent")
  core.send(self, 78, 0, skynet.pack "typed")
  let_run()
  same_list({ n = 4, table.unpack(seen[1]) }, 0, self, "sent", "odd")
  same_list({ n = 4, table.unpack(seen[2]) }, 0, self, "typed", 78)
  equal(skynet.dispatch_unknown_request(default), note)
  local log_response = skynet.dispatch_unknown_response(note)
  local session = skynet.genid()
  skynet.redirect(self, 4711, "response", session, skynet.pack "late")
  let_run()
  same_list({ n = 4, table.unpack(seen[3]) }, session, 4711, "late", nil)
  equal(skynet.dispatch_unknown_response(log_response), note)
  skynet.redirect(self, 4711, "response", session, skynet.pack "late")
  let_run()
  equal(harness.expect_log "response",
    ("response with unknown session %d from :00001267 dropped"):format(session))
  skynet.dispatch_unknown_request(function()
    error "planted among the unknown"
  end)
  skynet.send(self, "odd")
  let_run()
  harness.expect_log "planted among the unknown"
end

function cases.context_is_session_and_source_of_what_is_handled()
  local contexts = {}
  function handlers.look(session, source, name)
    contexts[name] = table.pack(skynet.context())
    same_list(contexts[name], session, source)
    skynet.sleep(1) -- Others are handled meanwhile.
    same_list(table.pack(skynet.context()), session, source)
    if session > 0 then
      skynet.retpack()
      same_list(table.pack(skynet.context()), nil, nil)
    end
  end
  skynet.send(self, "lua", "look", "sent")
  skynet.call(self, "lua", "look", "called")
  same_list(contexts.sent, 0, self)
  assert(contexts.called[1] > 0)
  same_list(table.pack(skynet.context()), nil, nil) -- A coroutine of its own.
end

function cases.dispatch_message_is_what_the_runtime_calls()
  local seen = {}
  function handlers.note(_, _, value)
    seen[#seen + 1] = value
  end
  core.callback(function(ptype, ...)
    seen[#seen + 1] = ptype
    skynet.dispatch_message(ptype, ...)
  end)
  skynet.send(self, "lua", "note", "noted")
  let_run()
  equal(seen[1], skynet.PTYPE_LUA)
  equal(seen[2], "noted")
  equal(skynet.PTYPE_TRACE, 12)
end

harness.run(cases, ...)
