--- The bytes of every one-way stream, as core/base/stream_pattern.cpp makes them: they repeat after
-- a period, so that all that begins anywhere in it is a part of one string.

local stream_pattern = {}

stream_pattern.period = 4093

--- The longest part that bytes() can give.
stream_pattern.longest = 65536

-- The finaliser of splitmix64, as core/base/prng.hpp has it.
local function mix64(value)
  value = value + 0x9E3779B97F4A7C15
  value = (value ~ (value >> 30)) * 0xBF58476D1CE4E5B9
  value = (value ~ (value >> 27)) * 0x94D049BB133111EB
  return value ~ (value >> 31)
end

local bytes = {}
for at = 0, stream_pattern.period - 1 do
  bytes[at + 1] = string.char(mix64(at) & 0xFF)
end
local once = table.concat(bytes)
local all = once:rep(stream_pattern.longest // stream_pattern.period + 2)

--- @tparam integer offset in the endless stream
-- @tparam integer size at most `longest`
-- @treturn string
function stream_pattern.bytes(offset, size)
  local at = offset % stream_pattern.period
  return all:sub(at + 1, at + size)
end

return stream_pattern
