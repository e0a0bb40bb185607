--- The service `.launcher`: launches services, knows which there are, and tells who asked when they
-- have started. It begins with the first call to `.launcher`, and ends with the last other service.
--
-- skynet.call(".launcher", "lua", COMMAND, ...): LAUNCH kind, name, argument... | LIST |
-- KILL handle | STAT [ti] | MEM [ti] | GC [ti] (ti: 1/100 s that a service may take to answer). The
-- others are for skynet's own modules.

local core = require "skynet.core"
local skynet = require "skynet.manager"

local ANSWER_LIMIT = 300 -- 1/100 s: a busy service must not delay the others' figures for ever.

local services = {} -- handle -> what it was launched as.
local starting = {} -- handle -> function(ok, handle) to call when its start has ended.
local unique = {} -- name -> handle | list of response functions that wait for it.

local NO_ANSWER = {}
local commands = {}

--- Launches a service; `done(ok, handle)` is called once its start has ended.
local function launch(done, kind, ...)
  local words = table.pack(...)
  for i = 1, words.n do
    words[i] = tostring(words[i])
  end
  local text = table.concat(words, " ")
  local handle = skynet.launch(kind, text)
  if handle == nil then
    return done(false)
  end
  services[handle] = kind .. " " .. text
  starting[handle] = done
end

--- The start of a service has ended, well or not; nothing if that is known already.
local function started(handle, ok, result)
  local done = starting[handle]
  starting[handle] = nil
  if done then
    done(ok, result)
  end
end

function commands.LAUNCH(_, kind, ...)
  launch(skynet.response(), kind, ...)
  return NO_ANSWER
end

commands.LOGLAUNCH = commands.LAUNCH

function commands.LAUNCHOK(source)
  started(source, true, source)
  return NO_ANSWER
end

--- A service exits or, with `killed`, is killed. Whoever launched it and still waits hears nil when
-- it exited by itself, else an error.
function commands.REMOVE(_, handle, killed)
  services[handle] = nil
  started(handle, not killed)
  return NO_ANSWER
end

local function waiting_for(name)
  unique[name] = unique[name] or {}
  return unique[name]
end

local function launch_unique(name, ...)
  local waiting = waiting_for(name)
  waiting.launched = true
  launch(function(ok, handle)
    unique[name] = ok and handle or nil -- Else the next one may try again.
    for _, respond in ipairs(waiting) do
      respond(handle ~= nil, handle)
    end
  end, "snlua", name, ...)
end

--- Launches a service that there is one of; answers with its handle when it has started.
function commands.UNIQUE(_, name, ...)
  if type(unique[name]) == "number" then
    return unique[name]
  end
  local waiting = waiting_for(name)
  waiting[#waiting + 1] = skynet.response()
  if not waiting.launched then
    launch_unique(name, ...)
  end
  return NO_ANSWER
end

--- The same, but somebody else has to launch it.
function commands.FIND(_, name)
  if type(unique[name]) == "number" then
    return unique[name]
  end
  local waiting = waiting_for(name)
  waiting[#waiting + 1] = skynet.response()
  return NO_ANSWER
end

function commands.LIST()
  local list = {}
  for handle, words in pairs(services) do
    list[skynet.address(handle)] = words
  end
  return list
end

function commands.KILL(_, handle)
  local list = { [skynet.address(handle)] = tostring(services[handle]) }
  skynet.kill(handle)
  return list
end

--- Asks all services; returns a table of address -> describe(answer, words), or what went wrong.
local function ask_all(command, ti, describe)
  local requests = skynet.request()
  local list = {}
  for handle, words in pairs(services) do
    list[skynet.address(handle)] = "TIMEOUT (" .. words .. ")"
    requests:add { handle, "debug", command, words = words }
  end
  for request, answer in requests:select(ti or ANSWER_LIMIT) do
    local address, words = skynet.address(request[1]), request.words
    list[address] = answer and describe(answer[1], words) or "ERROR (" .. words .. ")"
  end
  return list
end

function commands.STAT(_, ti)
  return ask_all("STAT", ti, function(figures)
    return figures
  end)
end

local function describe_memory(kilobytes, words)
  return ("%.2f Kb (%s)"):format(kilobytes, words)
end

function commands.MEM(_, ti)
  return ask_all("MEM", ti, describe_memory)
end

function commands.GC(_, ti)
  return ask_all("GC", ti, describe_memory)
end

-- The runtime says "END" for every service that is gone, however that came.
skynet.register_protocol {
  name = "text",
  id = skynet.PTYPE_TEXT,
  unpack = skynet.tostring,
  dispatch = function(_, handle, text)
    assert(text == "END", text)
    services[handle] = nil
    started(handle, false)
    for name, entry in pairs(unique) do
      if entry == handle then
        unique[name] = nil
      end
    end
    if core.services() == 1 then
      skynet.exit() -- Nobody is left who could ask.
    end
  end,
}

skynet.dispatch("lua", function(_, source, command, ...)
  local f = commands[string.upper(command)] or error("unknown command " .. tostring(command))
  local result = f(source, ...)
  if result ~= NO_ANSWER then
    skynet.retpack(result)
  end
end)

skynet.start(function()
  local _, first = core.services()
  if first ~= 0 then
    services[first] = "snlua " .. skynet.getenv "start"
  end
end)
