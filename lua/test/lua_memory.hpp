#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace skysock::lua {

/// An allocator for lua_newstate() that counts: bytes that Lua holds, and the most it held. Every
/// block is one of realloc(), so that ASan watches it.
struct LuaMemory {
  std::size_t bytes = 0;
  std::size_t most = 0;

  static void* allocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
    auto* memory = static_cast<LuaMemory*>(self);
    if (block == nullptr) old_size = 0;  // Then it says what kind of object is wanted.
    memory->bytes = memory->bytes - old_size + new_size;
    memory->most = std::max(memory->most, memory->bytes);
    if (new_size != 0) return std::realloc(block, new_size);
    std::free(block);
    return nullptr;
  }
};

}  // namespace skysock::lua
