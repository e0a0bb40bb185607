#pragma once

#include <lua.hpp>

#include "core/base/block.hpp"
#include "core/service/message.hpp"
#include "lua/bindings/receive_buffer.hpp"

namespace skysock::lua {

/// A received Block on its way from a message to a receive buffer, as a full userdata that frees
/// it. One per VM is used again for every message, so that received data costs no allocation in
/// Lua.
struct Payload {
  Block block;
};

/// Pushes what a socket message says: type, id, ud (integers), then
///   - connect, accept, error: its text, a string;
///   - data: the VM's Payload, to be given to driver.push or driver.send (which take the Block
///   out);
///   - udp: the same, and the packed address that the datagram came from, a string;
///   - close, warning: nil.
///
/// The Payload is valid until the next call for the same VM, which frees what nobody took; the VM's
/// end does the same. Returns how many values were pushed: 5 for udp, else 4.
///
/// Raises a Lua error when Lua is out of memory; then `message` still owns its Block. So call it
/// where `message` lives in a frame that the error does not skip: outside the lua_pcall.
/// Thread: the one that runs `L`. Cost: data is not copied, text is copied once.
int unpack_socket_message(lua_State* L, SocketMessage&& message);

/// How many bytes of a `udp` message are the datagram; the packed address follows.
std::size_t datagram_bytes(const SocketMessage& message);

/// Pushes a new empty Payload.
Payload* new_payload(lua_State* L);

/// The Payload at `index`; raises an argument error when something else is there.
Payload* check_payload(lua_State* L, int index);
/// The Payload at `index`; nullptr when something else is there.
Payload* test_payload(lua_State* L, int index);

/// The receive buffer at `index`; raises an argument error when something else is there.
ReceiveBuffer* check_buffer(lua_State* L, int index);
/// Whether there is one.
bool is_buffer(lua_State* L, int index);

}  // namespace skysock::lua
