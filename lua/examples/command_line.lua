--- What the examples share: arguments, and failures that a user reads without a traceback.

local command_line = {}

--- Ends the program with exit code 1 and this text.
function command_line.fail(text)
  -- An error object with a text has no traceback.
  error(setmetatable({}, { __tostring = function() return text end }))
end

--- HOST and PORT of the command line as a string and an integer from `least` on; otherwise ends the
-- program with its usage: `arguments` names the script and what it wants.
function command_line.address(arguments, least, host, port)
  port = math.tointeger(tonumber(port))
  if not (port and host ~= "" and port >= least and port <= 65535) then
    local any = least == 0 and "; 0: any free port" or ""
    local usage = "usage: skysock %s   (PORT from %d to 65535%s)"
    command_line.fail(usage:format(arguments, least, any))
  end
  return host, port
end

--- Tells whoever started the program where it listens.
function command_line.listening(address)
  print("listening on " .. address)
  io.stdout:flush()
end

return command_line
