#pragma once

// What the benchmarks of the Lua layer share when they need no service: a VM that counts what it
// allocates, and batches of operations that are checked before they are timed.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <lua.hpp>
#include <string>
#include <string_view>

#include "bench/load/outcome.hpp"

namespace skysock::bench {

/// A Lua VM with Lua's own libraries. Whatever it raises is an Outcome's error.
class LuaState {
 public:
  LuaState();
  LuaState(const LuaState&) = delete;
  LuaState& operator=(const LuaState&) = delete;
  ~LuaState();

  [[nodiscard]] lua_State* get() const { return lua_; }

  /// Bytes that the VM has asked for so far, whatever became of them.
  [[nodiscard]] std::uint64_t allocated() const { return allocated_; }

  void set(const char* global, lua_Integer value) const;
  void set(const char* global, std::string_view value) const;
  /// `function` with `object` as its upvalue 1.
  void set(const char* global, lua_CFunction function, void* object) const;
  /// The value on top of the stack, which it takes away.
  void set_top(const char* global) const { lua_setglobal(lua_, global); }

  [[nodiscard]] load::Outcome<void> run(const char* code) const;
  /// The integer that the global function gives. Error: also when it gives something else.
  [[nodiscard]] load::Outcome<lua_Integer> call(const char* function) const;

 private:
  static void* allocate(void* self, void* block, std::size_t old_size, std::size_t new_size);

  std::uint64_t allocated_ = 0;
  lua_State* lua_;
};

/// A Lua benchmark. Its code has the global `batch(out)`, which does global `count` operations and
/// returns a positive integer that says how much came out: bytes, frames. When there is a table
/// `out`, it appends to it the texts of what came out; joined, they are the global `expected`.
struct LuaBatch {
  const char* code;
  std::int64_t count = 64;
  std::int64_t bytes_per_operation = 0;  ///< 0: bytes do not matter.
};

/// Checks one batch, then times others; each must return what the checked one did.
void run_batches(benchmark::State& state, LuaState& lua, const LuaBatch& batch);

/// The counters of `operations` operations that are over.
void report_operations(benchmark::State& state, std::int64_t operations,
                       std::int64_t bytes_per_operation);

/// Error: where they begin to differ, counted from 0.
load::Outcome<void> compare_texts(std::string_view got, std::string_view expected);

/// `count` bytes that do not repeat soon and have no line break among them.
std::string pattern(std::size_t count);

}  // namespace skysock::bench
