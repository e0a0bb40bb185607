--- HTTP/1.1 responder: GET and HEAD of /, POST of /echo; connections are kept.
-- Usage: skysock lua/examples/http.lua HOST PORT   (PORT 0: any free port, see the printed line)

local command_line = require "command_line"
local skynet = require "skynet"
local socket = require "skynet.socket"

local LINE_MAX = 8 * 1024
local HEADERS_MAX = 100
local BODY_MAX = 1024 * 1024

local reasons = {
  [200] = "OK",
  [400] = "Bad Request",
  [404] = "Not Found",
  [405] = "Method Not Allowed",
  [413] = "Content Too Large",
  [501] = "Not Implemented",
}

local routes = {}

routes["/"] = {
  GET = function()
    return 200, "hello\n", "text/plain"
  end,
}

routes["/echo"] = {
  POST = function(request)
    return 200, request.body, request.headers["content-type"] or "application/octet-stream"
  end,
}

--- Sends an answer. `keep` says whether the connection stays; HEAD gets no body.
local function respond(id, request, keep, status, body, kind)
  local head = ("HTTP/1.1 %d %s\r\nContent-Length: %d\r\nContent-Type: %s\r\n%s\r\n"):format(status,
    reasons[status], #body, kind or "text/plain", keep and "" or "Connection: close\r\n")
  if request.method == "HEAD" then
    body = ""
  end
  return socket.write(id, { head, body })
end

--- The headers by lower-case name; nil if they are malformed.
local function read_headers(id)
  local headers = {}
  for _ = 0, HEADERS_MAX do
    local line = socket.readline(id, "\r\n", LINE_MAX)
    if not line then
      return nil
    elseif line == "" then
      return headers
    end
    local name, value = line:match "^([%w!#$%%&'*+.^_`|~-]+):[ \t]*(.-)[ \t]*$"
    name = name and name:lower()
    if not name or (name == "content-length" and headers[name]) then
      return nil
    end
    headers[name] = value
  end
end

--- Reads the body that the headers announce. Returns a status if it cannot be taken.
local function read_body(id, request)
  local headers = request.headers
  if headers["transfer-encoding"] then
    return 501
  end
  local length = headers["content-length"] or "0"
  if not length:find "^%d+$" then
    return 400
  elseif #length > 15 or tonumber(length) > BODY_MAX then
    return 413
  end
  if (headers.expect or ""):lower() == "100-continue" then
    socket.write(id, "HTTP/1.1 100 Continue\r\n\r\n")
  end
  request.body = socket.read(id, tonumber(length))
  return request.body == false and 400 or nil
end

--- Reads one request. Returns it, and a status if it cannot be answered otherwise; nil when the
-- client has gone.
local function read_request(id)
  local line, rest = socket.readline(id, "\r\n", LINE_MAX)
  if line == false and rest == "" then
    return nil
  end
  local method, path, minor = (line or ""):match "^(%u+) (/%S*) HTTP/1%.([01])$"
  local request = { method = method, path = path, minor = minor }
  if not method then
    return request, 400
  end
  request.headers = read_headers(id)
  if not request.headers then
    return request, 400
  end
  return request, read_body(id, request)
end

local function wants_more(request)
  local connection = (request.headers.connection or ""):lower()
  if request.minor == "0" then
    return connection == "keep-alive"
  end
  return connection ~= "close"
end

local function answer(request)
  local route = routes[request.path:match "^[^?]*"]
  if not route then
    return 404, "not found\n"
  end
  local method = request.method == "HEAD" and "GET" or request.method
  if not route[method] then
    return 405, "method not allowed\n"
  end
  return route[method](request)
end

-- Runs in a coroutine of its own for every connection.
local function serve(id)
  if not socket.start(id) then
    return
  end
  local request, status = read_request(id)
  while request do
    if status then
      respond(id, request, false, status, reasons[status] .. "\n")
      break -- Nobody knows where the next request would begin.
    end
    local keep = wants_more(request)
    if not respond(id, request, keep, answer(request)) or not keep then
      break
    end
    request, status = read_request(id)
  end
  socket.close(id)
end

local host, port = command_line.address("http.lua HOST PORT", 0, ...)

skynet.start(function()
  local id, address, bound = socket.listen(host, port)
  if not id then
    command_line.fail(("cannot listen on %s:%d: %s"):format(host, port, address))
  end
  assert(socket.start(id, serve))
  command_line.listening(host .. ":" .. bound)
end)
