#include "core/service/native_modes.hpp"

namespace skysock {

NativeListener::NativeListener(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                               NativeHooks hooks)
    : runtime_(&runtime), self_(self), hooks_(std::move(hooks)) {
  const Result<SocketId> id = runtime.sockets().listen(self, options.host, options.port);
  if (id) {
    id_ = *id;
  } else {
    hooks_.on_failure(id.error().message());
  }
}

bool NativeListener::take(const SocketMessage& socket) {
  if (socket.id != id_) return false;
  switch (socket.type) {
    case SocketMessageType::connect:
      on_connect(socket);
      return true;
    case SocketMessageType::accept:
      start(static_cast<SocketId>(socket.ud));
      return true;
    case SocketMessageType::close:
      hooks_.on_failure("the listening socket was closed");
      return true;
    case SocketMessageType::error:
      (port_ == 0 ? hooks_.on_failure : hooks_.on_refusal)(socket.data.text());
      return true;
    case SocketMessageType::data:
    case SocketMessageType::udp:
    case SocketMessageType::warning:
      return true;
  }
  return true;
}

/// The answers to listen(), and to start().
void NativeListener::on_connect(const SocketMessage& socket) {
  if (socket.data.text() == "start") {
    hooks_.on_listening(port_);
  } else {
    port_ = static_cast<std::uint16_t>(socket.ud);
    start(id_);
  }
}

}  // namespace skysock
