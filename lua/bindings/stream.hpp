#pragma once

#include <cstddef>
#include <cstdint>
#include <lua.hpp>

#include "core/base/block.hpp"
#include "core/net/types.hpp"
#include "lua/bindings/receive_buffer.hpp"

namespace skysock::lua {

/// A peer is held back when more bytes than this wait unread.
inline constexpr std::uint32_t kUnreadBytesMax = 128 * 1024;

/// What a service's skynet.socket knows of one socket: how far its life is, what was received, who
/// waits for it. A full userdata in the VM's table of entries, by id.
///
/// Whatever is frequent happens here in C++: data that a coroutine waits for goes from its message
/// to that coroutine without a line of Lua between. Everything else is Lua's (socket.lua), which
/// sees the fields below by their names, and adds fields of its own, as if this were a table.
struct Stream {
  /// What the coroutine in `waiter` waits for.
  enum class Waits : std::uint8_t { open, bytes, line, close };

  ReceiveBuffer bytes;
  /// The coroutine that one of our calls suspended; nobody else resumes it. Its thread is anchored
  /// as the first user value. Lua's own waits are not seen here, see `suspended`.
  lua_State* waiter = nullptr;
  lua_State* anchored = nullptr;  ///< The thread that the first user value is, used or not.
  /// While the waiter is resumed with it: all that was received, which it alone gets.
  Block* arrived = nullptr;
  std::size_t wanted = 0;  ///< bytes: how many, 0: any. line: the longest.
  SocketId id = 0;
  /// More unread bytes than this are Lua's business: the peer is to be held back, or cut off.
  std::uint32_t unread_max = kUnreadBytesMax;
  Waits waits = Waits::open;

  // Seen by Lua under these names.
  bool connected = false;
  bool opening = false;
  bool closing = false;
  bool suspended = false;    ///< A coroutine sleeps on the entry in Lua.
  bool special = false;      ///< Lua is to see every message of it.
  bool stream = true;        ///< False: a listener, or of datagrams.
  bool held : 1 = false;     ///< The server reads nothing of it, or is just told to go on.
  bool accepts : 1 = false;  ///< The first user value is a listener's callback.

  /// Whether nobody has to be asked what data, an opening or an end means.
  [[nodiscard]] bool plain() const { return stream && !special && !closing && !suspended && !held; }
  [[nodiscard]] bool alive() const { return connected || opening; }
  [[nodiscard]] bool waits_for_line() const { return waiter != nullptr && waits == Waits::line; }
};

/// Makes the VM's table id -> Stream and pushes it. Once in a VM.
void push_new_entries(lua_State* L);

/// Pushes that table.
void push_entries(lua_State* L);

/// Pushes the entry of `id` in the table at `entries`; it lives as long as it is on the stack.
/// Returns its Stream; nullptr: there is none, and what was pushed is nil.
Stream* push_stream(lua_State* L, int entries, SocketId id);

/// Pushes a new Stream. Cost: one allocation. It has no finaliser before Lua changes it: until then
/// end_stream(), or the end of the VM, frees what it holds.
Stream* new_stream(lua_State* L, SocketId id);

/// Takes the Stream out of the entries, if it is the one there, and frees what it received.
void end_stream(lua_State* L, Stream& stream);

/// The Stream at `index`, or nullptr.
Stream* test_stream(lua_State* L, int index);

/// The Stream at `index`; raises an argument error when something else is there.
Stream* check_stream(lua_State* L, int index);

/// Suspends the running coroutine, from a C function whose Stream is at `index` of its stack, until
/// somebody resumes `stream.waiter`; then `then` goes on. Requires: nobody waits; L may yield.
int wait_on_stream(lua_State* L, int index, Stream& stream, Stream::Waits waits, std::size_t wanted,
                   lua_KFunction then);

/// Pushes the callback of the listener at `index`.
void push_callback(lua_State* L, int index);

/// Whether what waiter waits for is there.
bool satisfied(Stream& stream);

/// Pushes the first `count` bytes as a string. Nothing is consumed: if Lua runs out of memory here,
/// the buffer is as before.
void push_head(lua_State* L, const ReceiveBuffer& buffer, std::size_t count);

}  // namespace skysock::lua
