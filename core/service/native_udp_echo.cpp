// Datagrams on the socket server: the block that was received is the one that goes back.

#include <charconv>
#include <string_view>

#include "core/net/udp_address.hpp"
#include "core/service/native_modes.hpp"

namespace skysock {
namespace {

/// How long the reactor may take to make the socket and to say its port.
constexpr std::chrono::seconds kPortLimit{5};

std::uint16_t port_in(std::string_view address) {
  std::uint16_t port = 0;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return 0;
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  return port;
}

/// Requires: not called on the reactor's thread, which could not make the socket meanwhile.
class NativeUdpEcho {
 public:
  NativeUdpEcho(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                NativeHooks hooks)
      : runtime_(&runtime), hooks_(std::move(hooks)) {
    const Result<SocketId> id = sockets().udp(self, options.host, options.port);
    if (id) {
      id_ = *id;
      report_port();
    } else {
      hooks_.on_failure(id.error().message());
    }
  }

  void handle(Message&& message) {
    auto* socket = std::get_if<SocketMessage>(&message.payload);
    if (socket == nullptr) return;
    if (socket->type == SocketMessageType::udp) {
      answer(*socket);
    } else if (socket->type == SocketMessageType::close) {
      hooks_.on_failure("the datagram socket was closed");
    }
    // An error is that of an earlier answer: its sender is gone.
  }

 private:
  SocketServer<LinuxSys>& sockets() { return runtime_->sockets(); }

  /// netstat() is answered behind the commands given before it.
  void report_port() {
    for (const SocketInfo& info : sockets().netstat(kPortLimit)) {
      if (info.id != id_) continue;
      if (const std::uint16_t port = port_in(info.local)) return hooks_.on_listening(port);
    }
    hooks_.on_failure("the datagram socket was not made, or did not say its port");
  }

  /// What the server refuses, because too much waits, is lost, as datagrams are.
  void answer(SocketMessage& socket) {
    const auto size = static_cast<std::size_t>(socket.ud);
    const auto from = UdpAddress::from_bytes(socket.data.bytes().subspan(size));
    if (!from) return;
    socket.data.shorten(size);
    [[maybe_unused]] const auto sent = sockets().send_to(id_, *from, std::move(socket.data));
  }

  Runtime* runtime_;
  NativeHooks hooks_;
  SocketId id_ = 0;
};

}  // namespace

MessageHandler native_udp_echo(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                               const NativeHooks& hooks) {
  return native_handler<NativeUdpEcho>(runtime, self, options, hooks);
}

}  // namespace skysock
