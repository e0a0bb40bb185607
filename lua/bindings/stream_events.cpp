#include "lua/bindings/stream_events.hpp"

#include <string_view>
#include <utility>

#include "lua/bindings/coroutines.hpp"
#include "lua/bindings/service.hpp"
#include "lua/bindings/stream.hpp"
#include "lua/bindings/unpack.hpp"

namespace skysock::lua {
namespace {

void wake(lua_State* L, Stream& stream) { resume(L, std::exchange(stream.waiter, nullptr), 0); }

bool on_data(lua_State* L, Stream& stream, Block& data) {
  if (!stream.plain() || stream.bytes.size() + data.size() > stream.unread_max) return false;
  if (stream.bytes.size() == 0 && stream.waiter != nullptr && stream.wanted == 0 &&
      stream.waits == Stream::Waits::bytes && !data.empty()) {
    stream.arrived = &data;
    wake(L, stream);
    stream.arrived = nullptr;
    // Unless it was not read after all.
    if (!data.empty() && stream.alive()) stream.bytes.push(std::move(data));
    return true;
  }
  stream.bytes.push(std::move(data));
  if (stream.waiter != nullptr && satisfied(stream)) wake(L, stream);
  return true;
}

bool on_connect(lua_State* L, Stream& stream) {
  if (!stream.plain() || !stream.opening || stream.waiter == nullptr) return false;
  stream.opening = false;
  stream.connected = true;
  wake(L, stream);
  return true;
}

bool on_close(lua_State* L, Stream& stream) {
  if (stream.special || stream.suspended || Service::of(L).tracks_ends()) return false;
  stream.connected = stream.opening = false;
  if (stream.waiter != nullptr) wake(L, stream);
  return true;
}

/// Runs the callback of `socket`, the entry on top, in a coroutine of its own, with the two
/// arguments that `push` pushes.
template <typename Push>
bool call_back(lua_State* L, const Stream& socket, Push push) {
  if (socket.special || !socket.accepts || socket.closing) return false;
  lua_State* coroutine = push_acceptor(L);
  constexpr int kArguments = 3;
  if (lua_checkstack(coroutine, kArguments) == 0) return false;
  push_callback(L, -2);  // Below the coroutine.
  push();
  lua_xmove(L, coroutine, kArguments);
  resume(L, coroutine, kArguments);
  lua_pop(L, 1);
  return true;
}

bool on_accept(lua_State* L, const Stream& listener, const SocketMessage& message) {
  return call_back(L, listener, [&] {
    lua_pushinteger(L, message.ud);
    const std::string_view address = message.data.text();
    lua_pushlstring(L, address.data(), address.size());
  });
}

bool on_datagram(lua_State* L, const Stream& socket, const SocketMessage& message) {
  return call_back(L, socket, [&] {
    const std::string_view all = message.data.text();
    const std::size_t bytes = datagram_bytes(message);
    lua_pushlstring(L, all.data(), bytes);
    lua_pushlstring(L, all.data() + bytes, all.size() - bytes);
  });
}

}  // namespace

bool handle_stream_event(lua_State* L, int entries, SocketMessage& message) {
  Stream* stream = push_stream(L, entries, message.id);
  if (stream == nullptr) return false;
  switch (message.type) {
    case SocketMessageType::data:
      return on_data(L, *stream, message.data);
    case SocketMessageType::connect:
      return on_connect(L, *stream);
    case SocketMessageType::close:
      return on_close(L, *stream);
    case SocketMessageType::accept:
      return on_accept(L, *stream, message);
    case SocketMessageType::udp:
      return on_datagram(L, *stream, message);
    case SocketMessageType::error:
    case SocketMessageType::warning:
      return false;
  }
  return false;
}

}  // namespace skysock::lua
