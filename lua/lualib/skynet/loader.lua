--- The first chunk of every service: finds its script and runs it.
-- Arguments: the service's name; its script's file, or "" to find it through the setting
-- `luaservice`; "", or why it has that name, for the error that there is no script; the script's
-- arguments. Sets SERVICE_NAME and SERVICE_PATH (the script's folder).

local core = require "skynet.core"

local name, path, remark = ...

local ENOENT, ENOTDIR = 2, 20

-- Says what is wrong without a traceback of this file.
local function fail(text)
  error(setmetatable({}, { __tostring = function() return text end }))
end

local function load_script(file)
  local chunk, reason = loadfile(file)
  return chunk or fail(reason)
end

--- A file that may not be read does exist: nothing after it is to run in its place.
local function exists(file)
  local handle, _, code = io.open(file)
  if handle then
    handle:close()
  end
  return handle ~= nil or code ~= ENOENT and code ~= ENOTDIR
end

--- Returns the script's chunk and the pattern that led to it.
local function find()
  if path ~= "" then
    return load_script(path), path
  end
  local tried = {}
  for pattern in (core.getenv "luaservice" or ""):gmatch "[^;]+" do
    local file = pattern:gsub("%?", (name:gsub("%%", "%%%%")))
    if exists(file) then
      return load_script(file), pattern
    end
    tried[#tried + 1] = "\nno file " .. file
  end
  local reason = remark == "" and "" or " (" .. remark .. ")"
  return fail(("no script for service %s%s:%s"):format(name, reason, table.concat(tried)))
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
preload(name, select(4, ...))
require = require "skynet.require".require
return chunk(select(4, ...))
