--- The first chunk of every service: finds its script and runs it.
-- Arguments: the service's name; its script's file, or "" to find it through the setting
-- `luaservice`; the script's arguments. Sets SERVICE_NAME and SERVICE_PATH (the script's folder).

local core = require "skynet.core"

local name, path = ...

-- Says what is wrong without a traceback of this file.
local function fail(text)
  error(setmetatable({}, { __tostring = function() return text end }))
end

--- Returns the script's chunk and the pattern that led to it.
local function find()
  if path ~= "" then
    local chunk, reason = loadfile(path)
    return chunk or fail(reason), path
  end
  local reasons = {}
  for pattern in (core.getenv "luaservice" or ""):gmatch "[^;]+" do
    local file = pattern:gsub("%?", (name:gsub("%%", "%%%%")))
    local chunk, reason = loadfile(file)
    if chunk then
      return chunk, pattern
    end
    reasons[#reasons + 1] = reason
  end
  return fail("no script for service " .. name .. ":\n" .. table.concat(reasons, "\n"))
end

--- Runs the setting `preload` first, as every service does.
local function preload(...)
  local file = core.getenv "preload"
  if file then
    local chunk, reason = loadfile(file)
    if not chunk then
      fail(reason)
    end
    chunk(...)
  end
end

SERVICE_NAME = name
local chunk, pattern = find()
-- "service/?/main.lua" is a folder of its own for each service, with its modules.
local folder = pattern:match "^(.*/)[^/?]+$"
if folder and folder:find("?", 1, true) then
  SERVICE_PATH = folder:gsub("%?", (name:gsub("%%", "%%%%")))
  package.path = package.path .. ";" .. SERVICE_PATH .. "?.lua"
else
  SERVICE_PATH = pattern:match "^(.*/)" or "./"
end
package.path = package.path .. ";" .. (core.getenv "lua_path" or "./?.lua")
package.cpath = core.getenv "lua_cpath" or ""
preload(name, select(3, ...))
require = require "skynet.require".require
return chunk(select(3, ...))
