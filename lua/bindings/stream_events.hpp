#pragma once

#include <lua.hpp>

#include "core/service/message.hpp"

namespace skysock::lua {

/// Handles what happens most often to sockets: data, the answer to open() and start(), an end, a
/// new connection of a listener whose callback is plain, a datagram. Returns false, and changes
/// nothing, when the message is Lua's to handle. `L`: the VM's main thread, outside of every
/// coroutine, with the table of streams at `entries` of its stack.
bool handle_stream_event(lua_State* L, int entries, SocketMessage& message);

}  // namespace skysock::lua
