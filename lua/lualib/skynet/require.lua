--- `require` for modules whose chunk waits (calls other services), and what runs before the start.
-- @module skynet.require

local core = require "skynet.core"
local scheduler = require "skynet.scheduler"

local native_require = require

local M = {}

local loading = {} -- name of a module that a coroutine loads -> coroutines that wait for it.
local loader_of = {} -- name -> the coroutine that loads it.
local inits = {} -- Functions that run before the start.
local collecting = {} -- coroutine -> functions that run after the module it loads.
local started = false

local function find_loader(name)
  local reasons = {}
  for _, searcher in ipairs(package.searchers) do
    local loader, extra = searcher(name)
    if type(loader) == "function" then
      return loader, extra
    elseif type(loader) == "string" then
      reasons[#reasons + 1] = loader:gsub("^\n?\t?", "\n\t")
    end
  end
  error("module '" .. name .. "' not found:" .. table.concat(reasons), 0)
end

local function load(name)
  local co = coroutine.running()
  local outer = collecting[co]
  local list = {}
  collecting[co] = list
  local loader, extra = find_loader(name)
  local value = loader(name, extra)
  collecting[co] = outer
  for _, f in ipairs(list) do
    f()
  end
  if value ~= nil then
    package.loaded[name] = value
  elseif package.loaded[name] == nil then
    package.loaded[name] = true
  end
end

--- As Lua's require, but the module's chunk may wait when this is called in a coroutine. Others who
-- require the same module meanwhile wait for it.
-- @raises what the chunk raises; when a module requires itself
function M.require(name)
  local co, is_main = coroutine.running()
  if is_main then
    return native_require(name)
  end
  while package.loaded[name] == nil and loading[name] do
    if loader_of[name] == co then
      error("module '" .. name .. "' requires itself", 2)
    end
    table.insert(loading[name], co)
    scheduler.wait()
  end
  if package.loaded[name] == nil then
    loading[name], loader_of[name] = {}, co
    local outer = collecting[co]
    local ok, err = pcall(load, name)
    collecting[co] = outer
    local waiting = loading[name]
    loading[name], loader_of[name] = nil, nil
    for _, waiter in ipairs(waiting) do
      scheduler.wakeup(waiter)
    end
    if not ok then
      error(err, 0)
    end
  end
  return package.loaded[name]
end

--- Lets `f()` run before the function of skynet.start; in a module that is loaded in a coroutine,
-- after its chunk; later, at once.
function M.init(f)
  if type(f) ~= "function" then
    core.raise "function expected"
  end
  local co, is_main = coroutine.running()
  local list = not is_main and collecting[co]
  if list then
    list[#list + 1] = f
  elseif started then
    f()
  else
    inits[#inits + 1] = f
  end
end

--- Runs the functions of init(), in order.
function M.run_inits()
  started = true
  for _, f in ipairs(inits) do
    f()
  end
  inits = {}
end

return M
