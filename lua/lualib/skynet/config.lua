--- Reads a configuration of skynet's form. The program runs this file in a VM of its own.
--
-- A configuration is Lua: `key = value`, where earlier keys can be used; `$NAME` anywhere in its
-- text is replaced by that variable of the environment; `include "file"` reads another one,
-- relative to the one it stands in.
-- Argument: file. Returns a table of key -> text, and the keys, sorted and separated by commas,
-- that have a meaning in skynet and none here. Raises a text that says what is wrong, and where.

local SKYNETS = {
  address = true, bootstrap = true, cluster = true, cpath = true, daemon = true, enablessl = true,
  harbor = true, logpath = true, logservice = true, lualoader = true, master = true, profile = true,
  snax = true, standalone = true,
}
local TEXTS = {
  logger = true, logpath = true, lua_cpath = true, lua_path = true, luaservice = true,
  preload = true, start = true,
}
local WORKERS_MAX = 64
local DEPTH_MAX = 32 -- A file that includes itself, maybe through others, ends with its place.

local settings = {}
local places = {} -- key -> where it was set last.
local folder = "" -- Of the file that is being read.
local depth = 0 -- How many files are being read.
local read

local function expect(condition, place, key, what, value)
  if not condition then
    error(("%s: %s: expected %s, got %s"):format(place, key, what,
      type(value) == "string" and ("%q"):format(value) or tostring(value)), 0)
  end
end

--- Returns the value to keep.
local function check(place, key, value)
  expect(type(key) == "string", place, tostring(key), "a name as key", key)
  if key == "thread" then
    local count = math.tointeger(tonumber(value)) -- "4" will do, as in skynet.
    expect(count and count >= 0 and count <= WORKERS_MAX, place, key,
      "a number of threads from 0 to " .. WORKERS_MAX, value)
    return count
  elseif TEXTS[key] then
    expect(type(value) == "string" and value ~= "", place, key, "a text", value)
  else
    local kind = type(value)
    expect(kind == "string" or kind == "number" or kind == "boolean", place, key,
      "a text, number or boolean", value)
  end
  return value
end

local function place_of_caller()
  local info = debug.getinfo(3, "Sl")
  return info.source:sub(2) .. ":" .. info.currentline
end

local environment = setmetatable({}, {
  __index = function(_, key)
    if key == "include" then
      return function(file)
        local place = place_of_caller()
        expect(type(file) == "string", place, "include", "a file", file)
        file = file:sub(1, 1) == "/" and file or folder .. file
        expect(depth < DEPTH_MAX, place, "include",
          ("files in each other at most %d deep"):format(DEPTH_MAX), file)
        read(file, place .. ": ")
      end
    end
    return settings[key]
  end,
  __newindex = function(_, key, value)
    places[key] = place_of_caller()
    if value ~= nil then
      value = check(places[key], key, value)
    end
    settings[key] = value
  end,
})

--- Replaces $NAME.
local function substitute(text, file)
  return (text:gsub("()%$([%w_]+)", function(position, name)
    local value = os.getenv(name)
    if value == nil then
      local _, newlines = text:sub(1, position):gsub("\n", "")
      error(("%s:%d: $%s: expected a variable of the environment, there is none"):format(
        file, newlines + 1, name), 0)
    end
    return value
  end))
end

function read(file, blame)
  local handle, reason = io.open(file)
  local text = handle and handle:read "a"
  if not text then
    error(blame .. "cannot read " .. (reason or file), 0)
  end
  handle:close()
  local chunk, problem = load(substitute(text, file), "@" .. file, "t", environment)
  if not chunk then
    error(problem, 0)
  end
  local outer = folder
  folder, depth = file:match "^(.*/)" or "", depth + 1
  chunk()
  folder, depth = outer, depth - 1
end

--- What a program relies on and would not get is an error, once it is known that nothing takes it
-- back.
local function refuse(key, text)
  error(("%s: %s: %s"):format(places[key], key, text), 0)
end

read((...), "")
if settings.logservice and settings.logservice ~= "logger" then -- skynet's default writes a file.
  refuse("logservice", ("%q: log services are not supported; logger names a file"):format(
    settings.logservice))
end
if settings.daemon then
  refuse("daemon", "not supported: start it with a service manager")
end
local ignored = {}
for key, value in pairs(settings) do
  settings[key] = tostring(value)
  if SKYNETS[key] then
    ignored[#ignored + 1] = key
  end
end
table.sort(ignored)
return settings, table.concat(ignored, ", ")
