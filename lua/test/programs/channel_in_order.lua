-- A socket channel: pipelined requests, answers in order.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"

skynet.start(function()
  local listen_id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listen_id, function(id)
    socket.start(id)
    local line = socket.readline(id)
    while line do
      socket.write(id, #line .. "\n" .. line .. "\n")
      line = socket.readline(id)
    end
    socket.close(id)
  end)
  local channel = socketchannel.channel { host = "127.0.0.1", port = port }
  local function response(sock)
    local size = tonumber(sock:readline())
    return true, sock:read(size + 1):sub(1, -2)
  end
  local answers, done = {}, 0
  for i = 1, 5 do
    skynet.fork(function()
      answers[i] = channel:request(("request %d\n"):format(i), response)
      done = done + 1
    end)
  end
  while done < 5 do
    skynet.sleep(1)
  end
  print(table.concat(answers, ", "))
  print(pcall(channel.request, channel, "wrong\n", function(sock)
    sock:readline()
    return false, sock:readline()
  end))
  channel:close()
  print(pcall(channel.request, channel, "closed\n", response))
  skynet.exit()
end)
