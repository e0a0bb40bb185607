-- Does the heap keep what traffic will need again, instead of taking every page from the kernel anew?

local harness = require "harness"

local cases = {}

--- Minor page faults of the process so far.
local function page_faults()
  local file <close> = assert(io.open("/proc/self/stat"))
  local fields = assert(file:read("a"):match("%) (.*)"))
  local count = 0
  for field in fields:gmatch("%S+") do
    count = count + 1
    if count == 8 then -- The tenth of proc(5): two stand before ")".
      return tonumber(field)
    end
  end
end

--- Faults of 100 rounds in which `count` strings of `size` bytes come and go.
local function faults_of(count, size)
  local function round()
    local held = {}
    for i = 1, count do
      held[i] = ("x"):rep(size)
    end
    held = nil
    collectgarbage()
  end
  round()
  local before = page_faults()
  for _ = 1, 100 do
    round()
  end
  return page_faults() - before
end

-- Without mallopt: about 60000.
function cases.heap_keeps_the_memory_of_40_blocks_of_64_kib()
  local faults = faults_of(40, 65536)
  assert(faults < 5000, faults .. " page faults")
end

-- With M_TRIM_THRESHOLD alone: about 100000.
function cases.heap_keeps_the_memory_of_blocks_of_1_mb()
  local faults = faults_of(2, 1000000)
  assert(faults < 5000, faults .. " page faults")
end

harness.run(cases, ...)
