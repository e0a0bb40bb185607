--- Options of one socket, as the last argument of open(), listen() and start().
-- @module skynet.socket.options

local driver = require "skynet.socketdriver"

local options = {}

--- Raises, on the caller's caller, unless it is nil or a table of options with legal values.
function options.check(wanted)
  if wanted == nil then
    return
  elseif type(wanted) ~= "table" then
    error("table of options expected, got " .. type(wanted), 3)
  end
  for name, value in pairs(wanted) do
    local ok, err = pcall(driver.check_option, name, value)
    if not ok then
      error(err, 3)
    end
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
