-- Do requests, answers and errors between services arrive as skynet's users rely on? Most cases call
-- their own service, whose handlers are below; `runner` is another one.

local core = require "skynet.core"
local skynet = require "skynet.manager"
local harness = require "harness"

local equal, expect_error = harness.equal, harness.expect_error
local let_run, same_list = harness.let_run, harness.same_list
local cases, handlers = {}, {}
local self = skynet.self()
local NOBODY = 0xfffff -- No service has this handle.

skynet.dispatch("lua", function(session, source, name, ...)
  handlers[name](session, source, ...)
end)

local function runner()
  return skynet.newservice "runner"
end

function handlers.echo(_, _, ...)
  skynet.retpack(...)
end

function handlers.silent() end

function handlers.raise()
  error "planted"
end

function handlers.block(_, _, token)
  skynet.wait(token)
  skynet.retpack "awake"
end

function cases.call_returns_what_the_other_service_packs()
  local other = runner()
  same_list(table.pack(skynet.call(other, "lua", "run", "return ...", 1, nil, "three", nil)),
    1, nil, "three", nil)
  equal(skynet.call(other, "lua", "run", "return skynet.self()"), other)
  equal(select("#", skynet.call(other, "lua", "run", "return")), 0)
  equal(#skynet.call(other, "lua", "run", "return ('x'):rep(1000000)"), 1000000)
end

function cases.calls_of_many_coroutines_get_their_own_answers()
  local others, calls = { runner(), runner(), runner() }, {}
  for i = 1, 300 do
    calls[i] = harness.spawn(function()
      return skynet.call(others[i % 3 + 1], "lua", "run", "skynet.sleep(... % 3) return ...", i)
    end)
  end
  for i = 1, 300 do
    equal(calls[i].join(), i)
  end
end

function cases.messages_of_one_service_arrive_in_order()
  local other = runner()
  skynet.call(other, "lua", "run", "seen = {}")
  for i = 1, 1000 do
    equal(skynet.send(other, "lua", "do", "seen[#seen + 1] = ...", i), 0)
  end
  local seen = skynet.call(other, "lua", "run", "return seen")
  equal(#seen, 1000)
  for i = 1, 1000 do
    equal(seen[i], i)
  end
end

function cases.request_has_a_session_and_a_source_and_a_message_only_a_source()
  local seen = harness.event()
  function handlers.look(session, source)
    seen.set(session, source)
  end
  skynet.send(self, "lua", "look")
  local session, source = seen.await()
  equal(session, 0)
  equal(source, self)
  function handlers.look(its_session, its_source)
    skynet.retpack(its_session, its_source)
  end
  session, source = skynet.call(self, "lua", "look")
  assert(session > 0)
  equal(source, self)
end

function cases.call_to_nobody_raises()
  expect_error("call to invalid address :000fffff", skynet.call, NOBODY, "lua", "echo")
  expect_error("call to invalid address .nobody", skynet.call, ".nobody", "lua", "echo")
  expect_error("invalid service address 0", skynet.call, 0, "lua", "echo")
  expect_error("service address", skynet.call, nil, "lua", "echo")
  expect_error("service address", skynet.call, 1.5, "lua", "echo")
  expect_error("unknown protocol odd", skynet.call, self, "odd", "echo")
  equal(skynet.send(NOBODY, "lua", "echo"), nil)
  equal(skynet.send(".nobody", "lua", "echo"), nil)
end

function cases.error_in_the_other_service_makes_the_call_fail()
  local other = runner()
  expect_error("call failed", skynet.call, other, "lua", "run", "error 'planted in the other service'")
  equal(skynet.call(other, "lua", "run", "return 'still there'"), "still there")
  expect_error("call failed", skynet.call, self, "lua", "raise")
  harness.expect_log "planted.*stack traceback"
end

function cases.error_while_unpacking_makes_the_call_fail()
  expect_error("call failed", skynet.rawcall, self, "lua", "\xff\xff")
  harness.expect_log "stack traceback"
end

function cases.unknown_message_types_are_refused()
  local odd = { name = "odd", id = 77, pack = skynet.pack, unpack = skynet.unpack }
  skynet.register_protocol(odd)
  expect_error("call failed", skynet.call, runner(), "odd", "not registered there")
  expect_error("registered twice", skynet.register_protocol, odd)
  expect_error("0 to 255", skynet.register_protocol, { name = "odder", id = 256 })
end

function cases.protocol_of_strings_carries_them_unchanged()
  local seen = harness.event()
  skynet.register_protocol {
    name = "text",
    id = skynet.PTYPE_TEXT,
    pack = tostring,
    unpack = skynet.tostring,
    dispatch = function(session, _, text)
      if session == 0 then
        seen.set(text)
      else
        skynet.ret(text:upper())
      end
    end,
  }
  skynet.send(self, "text", "with \0 and \xff")
  equal(seen.await(), "with \0 and \xff")
  equal(skynet.call(self, "text", "loud"), "LOUD")
  equal(skynet.call(self, "text", ""), "")
end

function cases.error_of_an_inline_protocol_is_logged_and_keeps_the_wakeup_queue()
  local woken = false
  skynet.register_protocol {
    name = "inlined",
    id = 79,
    inline = true,
    pack = skynet.pack,
    unpack = skynet.unpack,
    dispatch = function(_, source, text)
      equal(source, self)
      skynet.wakeup "inlined"
      error(text)
    end,
  }
  skynet.fork(function()
    skynet.wait "inlined"
    woken = true
  end)
  skynet.yield()
  skynet.send(self, "inlined", "planted inline")
  let_run()
  assert(harness.expect_log "planted inline":find "stack traceback")
  equal(woken, true)
end

function cases.dispatch_returns_the_function_before()
  local before = skynet.dispatch "lua"
  equal(type(before), "function")
  equal(skynet.dispatch("lua", function() end), before)
  skynet.dispatch("lua", before)
  expect_error("unknown protocol", skynet.dispatch, "odd", print)
  equal(skynet.dispatch "odd", nil)
end

function cases.rawcall_and_rawsend_take_and_give_packed_bytes()
  local memory, size = skynet.rawcall(self, "lua", skynet.pack("echo", "raw", 7))
  same_list(table.pack(skynet.unpack(memory, size)), "raw", 7)
  same_list(table.pack(skynet.unpack(skynet.rawcall(self, "lua", skynet.packstring("echo", "s")))), "s")
  local seen = harness.event()
  function handlers.note(_, _, value)
    seen.set(value)
  end
  skynet.rawsend(self, "lua", skynet.pack("note", "sent raw"))
  equal(seen.await(), "sent raw")
  local first = core.send(self, skynet.PTYPE_LUA, nil, skynet.pack "silent") -- A session of its own.
  assert(first > 0 and core.send(self, skynet.PTYPE_LUA, nil, skynet.pack "silent") > first)
  let_run()
  harness.expect_log "forgot response session"
  harness.expect_log "forgot response session"
  expect_error("call to invalid address", skynet.rawcall, NOBODY, "lua", skynet.pack "freed")
  expect_error("size expected", skynet.rawsend, self, "lua", 12)
end

function cases.memory_can_be_read_and_freed()
  local memory, size = skynet.pack("a", 1)
  equal(skynet.tostring(memory, size), skynet.packstring("a", 1))
  skynet.trash(memory, size)
  skynet.trash "a string is left alone"
  skynet.trash()
  equal(skynet.tostring "text", "text")
  equal(skynet.tostring(), nil)
end

function cases.ret_says_whether_somebody_got_the_answer()
  local results = {}
  function handlers.answer()
    results[1] = skynet.ret "bytes"
    results[2], results[3] = pcall(skynet.ret, skynet.pack "twice")
  end
  equal(skynet.tostring(skynet.rawcall(self, "lua", skynet.pack "answer")), "bytes")
  equal(results[1], true)
  equal(results[2], false)
  assert(results[3]:find "No session", results[3])
  skynet.send(self, "lua", "answer")
  let_run()
  equal(results[1], false) -- Nobody asked.
  expect_error("No session", skynet.ret) -- This coroutine handles no message.
end

function cases.forgotten_answer_is_logged()
  local call = harness.spawn(pcall, skynet.call, self, "lua", "silent")
  let_run()
  harness.expect_log(("Maybe forgot response session %%d+ from %s : @.*messages.lua:%%d+")
    :format(skynet.address(self)))
  equal(call.has_ended(), false)
  skynet.term(self)
  equal(call.join(), false)
  skynet.send(self, "lua", "silent") -- Needs no answer.
  let_run()
end

function cases.ignored_answer_is_not_logged()
  local asked = harness.event()
  function handlers.later(session, source)
    skynet.ignoreret()
    asked.set(session, source)
  end
  local call = harness.spawn(skynet.call, self, "lua", "later")
  local session, source = asked.await()
  skynet.redirect(source, self, "response", session, skynet.pack "by hand")
  equal(call.join(), "by hand")
end

function cases.response_answers_later_and_once()
  local respond
  function handlers.later()
    respond = skynet.response()
  end
  local call = harness.spawn(skynet.call, self, "lua", "later")
  let_run()
  equal(respond "TEST", true)
  equal(respond(true, "late", nil, 3), true)
  same_list(table.pack(call.join()), "late", nil, 3)
  equal(respond "TEST", false)
  expect_error("more than once", respond, true)
end

function cases.response_can_refuse_and_pack_in_its_own_way()
  local respond
  function handlers.later(_, _, pack)
    respond = skynet.response(pack and skynet.packstring)
  end
  local call = harness.spawn(pcall, skynet.call, self, "lua", "later")
  let_run()
  equal(respond(false), true)
  equal(call.join(), false)
  call = harness.spawn(skynet.call, self, "lua", "later", true)
  let_run()
  expect_error("", respond, true, print) -- Cannot be packed; it is still due.
  equal(respond "TEST", true)
  equal(respond(true, "string"), true)
  equal(call.join(), "string")
  skynet.send(self, "lua", "later")
  let_run()
  equal(respond(true), nil) -- Nobody asked.
  expect_error("no session", skynet.response)
end

function cases.response_to_a_dead_service_is_false()
  local other, asked, respond = runner(), harness.event(), nil
  function handlers.later()
    respond = skynet.response()
    asked.set()
  end
  skynet.send(other, "lua", "do", "skynet.call(..., 'lua', 'later')", self)
  asked.await()
  skynet.kill(other)
  while skynet.send(other, "lua", "run", "") do
    let_run()
  end
  equal(respond(true), false)
end

function cases.redirect_sends_in_the_name_of_another()
  local seen = harness.event()
  function handlers.who(session, source)
    seen.set(session, source)
  end
  assert(skynet.redirect(self, 4711, "lua", 0, skynet.pack "who"))
  local session, source = seen.await()
  equal(session, 0)
  equal(source, 4711)
  equal(skynet.redirect(NOBODY, self, "lua", 0, skynet.pack "who"), nil)
end

function cases.received_memory_can_be_sent_on()
  local other = runner()
  skynet.register_protocol {
    name = "client",
    id = skynet.PTYPE_CLIENT,
    unpack = function(memory, size)
      return memory, size
    end,
    dispatch = function(session, source, memory, size)
      skynet.ignoreret()
      skynet.redirect(other, source, "lua", session, memory, size)
    end,
  }
  local text = skynet.packstring("run", "return #..., (...):byte(1, 3)", "abc" .. ("x"):rep(5000))
  skynet.register_protocol { name = "asked", id = 78, pack = function() return text end,
    unpack = skynet.unpack }
  -- As "client" to ourselves, from there to the other service, whose answer comes here.
  local session = skynet.genid()
  local answer = harness.spawn(function()
    return skynet.unpack(select(2, require "skynet.scheduler".await(session)))
  end)
  let_run()
  core.redirect(self, self, skynet.PTYPE_CLIENT, session, text)
  same_list(table.pack(answer.join()), 5003, 97, 98, 99)
end

function cases.killed_coroutine_runs_no_more_and_its_caller_is_told()
  local closed = false
  function handlers.guarded()
    local _ <close> = setmetatable({}, { __close = function() closed = true end })
    skynet.wait "never"
    error "runs on"
  end
  local threads = {}
  function handlers.remember(_, _, ...)
    threads[1] = coroutine.running()
    handlers.guarded(...)
  end
  local call = harness.spawn(pcall, skynet.call, self, "lua", "remember")
  let_run()
  equal(skynet.killthread(threads[1]), threads[1])
  equal(closed, true)
  local ok, err = call.join()
  equal(ok, false)
  assert(err:find "call failed", err)
  equal(skynet.wakeup "never", false)
  equal(skynet.killthread(threads[1]), nil)
end

function cases.killthread_ends_whatever_waits_or_has_not_begun()
  local function never()
    error "runs"
  end
  equal(type(skynet.killthread(skynet.fork(never))), "thread")
  equal(type(skynet.killthread(skynet.timeout(1, never))), "thread")
  local function waits(f, ...)
    local co = skynet.fork(function(...)
      f(...)
      never()
    end, ...)
    let_run()
    equal(skynet.killthread(co), co)
  end
  waits(skynet.sleep, 1)
  waits(skynet.wait)
  waits(skynet.call, self, "lua", "block", "token")
  skynet.wakeup "token"
  local co = skynet.fork(function()
    skynet.wait "woken"
    never()
  end)
  let_run()
  skynet.wakeup "woken"
  equal(skynet.killthread(tostring(co)), co)
  skynet.sleep(3) -- Timers and answers for those that were killed come and are dropped.
  local order, threads = {}, {}
  for i = 1, 4 do
    threads[i] = skynet.fork(function()
      order[#order + 1] = i
    end)
  end
  equal(skynet.killthread(threads[2]), threads[2])
  let_run()
  equal(table.concat(order, " "), "1 3 4")
  equal(skynet.killthread(co), nil)
end

function cases.term_makes_the_calls_to_a_service_fail()
  local other = runner()
  local slow = harness.spawn(pcall, skynet.call, other, "lua", "do", "")
  local named = harness.spawn(pcall, skynet.call, ".other", "lua", "do", "")
  equal(skynet.name(".other", other), true)
  local own = harness.spawn(skynet.call, self, "lua", "block", "own")
  let_run()
  skynet.term(other)
  equal(slow.join(), false)
  equal(named.join(), false)
  equal(own.has_ended(), false)
  skynet.wakeup "own"
  equal(own.join(), "awake")
end

function cases.figures_of_a_service()
  local before = skynet.stat "message"
  for _ = 1, 10 do
    skynet.send(self, "lua", "silent")
  end
  assert(skynet.mqlen() >= 10, skynet.mqlen())
  assert(skynet.stat "mqlen" >= 10)
  let_run()
  assert(skynet.stat "message" >= before + 10)
  local tasks = skynet.stat "task"
  for i = 1, 5 do
    skynet.fork(skynet.wait, i)
    skynet.fork(skynet.sleep, 100)
  end
  let_run()
  equal(skynet.stat "task", tasks + 10)
  equal(skynet.stat "cpu", nil)
end

function cases.error_logs_its_arguments_as_one_line()
  skynet.error("a text,", 1, nil, 2.5, true, setmetatable({}, { __tostring = function() return "object" end }))
  skynet.error()
  equal(harness.expect_log "a text,", "a text, 1 nil 2.5 true object")
  equal(harness.expect_log "^$", "")
end

function cases.time_is_that_of_the_clock()
  assert(math.abs(skynet.time() - os.time()) <= 2)
  equal(math.type(skynet.starttime()), "integer")
  assert(skynet.starttime() <= os.time() and skynet.starttime() > os.time() - 3600)
  equal(skynet.address(0xabc), ":00000abc")
  equal(skynet.address ".name", ".name")
  equal(math.type(skynet.genid()), "integer")
  assert(skynet.genid() ~= skynet.genid())
end

function cases.session_of_a_caller_is_not_given_away()
  local before = core.genid()
  local call = harness.spawn(skynet.call, self, "lua", "block", "asked")
  let_run()
  core.genid(before - 1) -- Gives `before`; the next ones would be the call's.
  for i = 1, 5 do
    equal(skynet.call(self, "lua", "echo", i), i)
  end
  skynet.wakeup "asked"
  let_run()
  assert(call.has_ended(), "another call got the answer")
  equal(call.join(), "awake")
  core.genid(0x7ffffffd)
  for i = 1, 5 do -- Across the wrap.
    equal(skynet.call(self, "lua", "echo", i), i)
  end
end

function cases.forwarded_types_keep_their_memory_until_it_is_sent_on()
  local other = runner()
  skynet.call(other, "lua", "run", [[
    local target = ...
    skynet.forward_type({
      [skynet.PTYPE_LUA] = skynet.PTYPE_SYSTEM,
      [skynet.PTYPE_RESPONSE] = skynet.PTYPE_RESPONSE, -- It is sent on, too.
    }, function() end)
    skynet.register_protocol {
      name = "system", id = skynet.PTYPE_SYSTEM,
      unpack = function(...) return ... end,
      dispatch = function(_, _, memory, size)
        skynet.sleep(1)
        skynet.ret(skynet.rawcall(target, "lua", memory, size))
      end,
    }]], self)
  equal(skynet.call(other, "lua", "echo", "through another service"), "through another service")
  skynet.call(other, "debug", "PING") -- Another type: its memory is freed (or a sanitizer finds it).
end

harness.run(cases, ...)
