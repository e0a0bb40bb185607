-- Is every public name of skynet's modules that programs use here, and does a test use it?
-- Usage: skysock lua/test/public_names.lua [--json] [MODULE...]   (default: all modules)
-- Exit code 1: a name is missing, no test uses it, or MODULE is none of ours.

local MODULES = {
  {
    "skynet",
    [[start register_protocol dispatch send rawsend call rawcall ret retpack init require term killthread
    response ignoreret redirect fork wait wakeup sleep yield timeout now time starttime self address
    localname name register newservice uniqueservice queryservice launch kill exit abort getenv setenv error pack unpack packstring
    tostring trash genid request stat mqlen context dispatch_message dispatch_unknown_request
    dispatch_unknown_response PTYPE_TRACE trace tracetag trace_timeout traceproto tracecall tracelog hpc memlimit
    endless task uniqtask info_func init_service harbor]],
  },
  { "skynet.manager", "name register launch kill abort forward_type filter monitor", alias = "skynet" },
  { "skynet.queue", "", alias = "queue" },
  {
    "skynet.coroutine",
    "create resume yield status wrap running isyieldable close thread isskynetcoroutine",
    alias = "co",
  },
  {
    "skynet.socket",
    [[open bind stdin listen start pause read readline readall block write lwrite header close close_fd
    shutdown abandon limit warning onclose invalid disconnected udp udp_connect udp_listen udp_dial sendto
    udp_address netstat resolve]],
    alias = "socket",
  },
  {
    "skynet.socketdriver",
    [[buffer push pop drop readall clear readline str2p header info unpack connect close shutdown listen
    send lsend bind start pause nodelay udp udp_connect udp_dial udp_listen udp_send udp_address resolve]],
    alias = "driver",
  },
  { "skynet.netpack", "filter pop pack clear tostring", alias = "netpack" },
  { "snax.gateserver", "start openclient closeclient", alias = "gateserver" },
  { "skynet.socketchannel", "channel", alias = "socketchannel" },
}

local rows, wrong = {}, 0

--- Ends the program with a text that needs no traceback.
local function fail(text)
  error(setmetatable({}, {
    __tostring = function()
      return text
    end,
  }))
end

--- The tests' texts by file name.
local function read_tests()
  local texts = {}
  local list = io.popen("ls " .. SERVICE_PATH .. "*.lua " .. SERVICE_PATH .. "programs/*.lua 2>/dev/null")
  for path in list:lines() do
    local file <close> = assert(io.open(path))
    texts[path:sub(#SERVICE_PATH + 1)] = path:find "public_names" and "" or file:read "a"
  end
  list:close()
  return texts
end

local function add(texts, module, name, present, pattern)
  local files = {}
  for file, text in pairs(texts) do
    if text:find(pattern) then
      files[#files + 1] = file
    end
  end
  table.sort(files)
  rows[#rows + 1] = { module = module, name = name, present = present, tested_by = files }
  if not present or #files == 0 then
    wrong = wrong + 1
  end
end

local function look_at(texts, entry)
  local name, alias = entry[1], entry.alias or entry[1]
  local loaded, module = pcall(require, name)
  add(texts, name, "(module)", loaded, 'require "' .. name:gsub("%.", "%%.") .. '"')
  for member in entry[2]:gmatch "%S+" do
    local pattern = "%f[%w_]" .. alias .. "[.:]" .. member .. "%f[^%w_]"
    add(texts, name, member, loaded and type(module) == "table" and module[member] ~= nil, pattern)
  end
end

local modules = {}
for i, entry in ipairs(MODULES) do
  modules[i] = entry[1]
  modules[entry[1]] = true
end

local wanted, as_json = {}, false
for _, argument in ipairs { ... } do
  if argument == "--json" then
    as_json = true
  elseif not modules[argument] then
    fail(("no module %q; there are: %s"):format(argument, table.concat(modules, ", ")))
  else
    wanted[argument] = true
  end
end

local texts = read_tests()
for _, entry in ipairs(MODULES) do
  if next(wanted) == nil or wanted[entry[1]] then
    look_at(texts, entry)
  end
end

for _, row in ipairs(rows) do
  if as_json then
    local tests = #row.tested_by > 0 and '"' .. table.concat(row.tested_by, '","') .. '"' or ""
    print(('{"module":"%s","function":"%s","present":%s,"tested_by":[%s]}'):format(
      row.module, row.name, row.present, tests))
  else
    print(("%-22s %-20s %-8s %s"):format(row.module, row.name, row.present and "present" or "MISSING",
      #row.tested_by > 0 and table.concat(row.tested_by, " ") or "NO TEST"))
  end
end

if wrong > 0 then
  fail(("%d of %d names are missing or untested"):format(wrong, #rows))
end
