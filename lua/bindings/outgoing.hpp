#pragma once

#include <cstddef>
#include <lua.hpp>
#include <span>
#include <type_traits>

#include "core/base/block.hpp"
#include "core/service/message.hpp"

namespace skysock::lua {

/// What a program gave to send or udp_send, before anything is taken from it.
struct Outgoing {
  enum class Kind : unsigned char {
    memory,   ///< Lua's: what is not written at once is copied.
    payload,  ///< In a Payload: its Block moves.
    pointer   ///< From malloc(), or the bytes of the message being handled: ownership moves.
  };
  Kind kind = Kind::memory;
  std::span<std::byte> bytes;
  Block* block = nullptr;  ///< Of a payload.

  /// The bytes as a Block; what is not Lua's is taken, so do that once. `current` is the message
  /// being handled, or nullptr.
  [[nodiscard]] Block take(Message* current) const noexcept;
};
static_assert(std::is_trivially_destructible_v<Outgoing>);

/// Reads the argument at `index`, and for userdata a size behind it:
///   - string or number: its text; what stands behind it is ignored;
///   - table: the strings and numbers t[1], t[2], ... up to the first nil, joined;
///   - received data (what unpack gives), all of it or `size` bytes from its start: taken;
///   - other full userdata: all its memory, or `size` bytes, copied;
///   - light userdata and `size`: memory from malloc() (str2p, netpack.pack, skynet.pack), or that
///     of the message being handled: taken.
/// Raises for anything else before anything is taken: light userdata without a size, or with a
/// negative one, would be an object of a C module, and there are none. May push one value, which
/// must stay on the stack until the bytes are sent. Thread: the one that runs `L`.
/// Source: get_buffer() of lua-socket.c.
Outgoing check_outgoing(lua_State* L, int index);

/// A size that userdata may have: raises unless it is 0 to 2^31-1.
std::size_t check_size(lua_State* L, int index);

}  // namespace skysock::lua
