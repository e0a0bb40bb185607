-- A socket channel in session mode: answers come in another order than requests.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    local requests = {}
    for _ = 1, 3 do
      table.insert(requests, 1, socket.readline(id))
    end
    for _, request in ipairs(requests) do
      socket.write(id, request .. "\n")
    end
  end)
  local channel = socketchannel.channel {
    host = "127.0.0.1",
    port = port,
    response = function(sock)
      local session, text = sock:readline():match "^(%d+) (.*)"
      print("received", session)
      return tonumber(session), true, text
    end,
  }
  local done = 0
  local answers = {}
  for session = 1, 3 do
    skynet.fork(function()
      answers[session] = channel:request(session .. " text " .. session .. "\n", session)
      done = done + 1
    end)
  end
  while done < 3 do
    skynet.sleep(1)
  end
  print(table.concat(answers, ", "))
  skynet.exit()
end)
