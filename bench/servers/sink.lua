--- Counts what comes and compares every byte with the stream; reports as core/base/sink_tally.hpp
-- says.
-- Usage: skysock bench/servers/sink.lua HOST PORT   (PORT 0: any free port, see the printed line)

local socket = require "skynet.socket"
local stream_pattern = require "stream_pattern"
local tcp_server = require "tcp_server"

-- Little-endian, of 64 bits each: where in the pattern the stream begins, and how many bytes after
-- another are reported; bytes, chunks and the first wrong byte of a report.
local HEADER, REPORT = "<i8i8", "<i8i8i8"
local NOTHING_WRONG = -1

-- Where `data` first differs from the stream at `offset`, counted from 0; nil: nowhere. A chunk is
-- compared as a string, and only one that is wrong byte for byte.
local function first_wrong(data, offset)
  for at = 1, #data, stream_pattern.longest do
    local part = data:sub(at, at + stream_pattern.longest - 1)
    local wanted = stream_pattern.bytes(offset + at - 1, #part)
    if part ~= wanted then
      for place = 1, #part do
        if part:byte(place) ~= wanted:byte(place) then
          return at - 1 + place - 1
        end
      end
    end
  end
end

tcp_server.run("sink.lua", function(id)
  local header = socket.read(id, HEADER:packsize())
  if not header then
    return
  end
  local offset, report_every = HEADER:unpack(header)
  offset = offset % stream_pattern.period
  local bytes, chunks, wrong_at, next_report = 0, 0, NOTHING_WRONG, report_every
  local data = socket.read(id)
  while data do
    chunks = chunks + 1
    if wrong_at == NOTHING_WRONG then
      local wrong = first_wrong(data, offset + bytes)
      wrong_at = wrong and bytes + wrong or NOTHING_WRONG
    end
    bytes = bytes + #data
    if report_every > 0 and bytes >= next_report then
      next_report = (bytes // report_every + 1) * report_every
      if not socket.write(id, REPORT:pack(bytes, chunks, wrong_at)) then
        return
      end
    end
    data = socket.read(id)
  end
end, nil, ...)
