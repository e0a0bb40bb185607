--- Options of one socket, as the last argument of open(), listen() and start().
-- @module skynet.socket.options

local core = require "skynet.core"
local driver = require "skynet.socketdriver"

local options = {}

--- Raises unless it is nil or a table of options with legal values.
function options.check(wanted)
  if wanted == nil then
    return
  elseif type(wanted) ~= "table" then
    core.raise("table of options expected, got " .. type(wanted))
  end
  for name, value in pairs(wanted) do
    driver.check_option(name, value)
  end
end

--- Sets checked options; what the socket does not have is ignored.
function options.set(id, wanted)
  if wanted then
    for name, value in pairs(wanted) do
      driver.set_option(id, name, value)
    end
  end
end

return options
