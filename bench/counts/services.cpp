#include "bench/counts/services.hpp"

#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "core/net/udp_address.hpp"
#include "core/service/native_service.hpp"

namespace skysock::bench::counts {
namespace {

using load::Outcome;

/// Made before anything is counted.
const std::vector<std::byte>& block_bytes() {
  static const std::vector<std::byte> bytes = [] {
    std::vector<std::byte> made(kBlockBytes);
    for (std::size_t at = 0; at < kBlockBytes; ++at) made[at] = block_byte(at);
    return made;
  }();
  return bytes;
}

/// Listens, starts whatever comes, closes whatever ends.
class CountedService {
 public:
  CountedService(Runtime& runtime, ServiceHandle self, Duty duty,
                 std::shared_ptr<ServiceState> state)
      : runtime_(&runtime), self_(self), duty_(duty), state_(std::move(state)) {
    const auto id = duty == Duty::udp_echo ? sockets().udp(self, "127.0.0.1", 0)
                                           : sockets().listen(self, "127.0.0.1", 0);
    if (!id) state_->failed = true;
    if (id && duty == Duty::udp_echo) state_->ready = true;
    listener_ = id.value_or(0);
  }

  void handle(Message&& message) {
    auto* socket = std::get_if<SocketMessage>(&message.payload);
    if (socket == nullptr) return;
    switch (socket->type) {
      case SocketMessageType::connect:
        return on_connect(*socket);
      case SocketMessageType::accept:
        return start(static_cast<SocketId>(socket->ud));
      case SocketMessageType::data:
        return on_data(*socket);
      case SocketMessageType::udp:
        return send_back(*socket);
      case SocketMessageType::close:
        ignore(sockets().close(self_, socket->id, CloseMode::soft, CloseAnswer::not_needed));
        return;
      case SocketMessageType::error:
        state_->failed = true;
        return;
      case SocketMessageType::warning:
        return;
    }
  }

 private:
  SocketServer<LinuxSys>& sockets() { return runtime_->sockets(); }
  static void ignore(const auto& /*given*/) {}  // The client sees what did not happen.
  void start(SocketId id) { ignore(sockets().start(self_, id)); }

  void on_connect(const SocketMessage& socket) {
    if (socket.id != listener_) {
      state_->last_started = socket.id;
    } else if (socket.data.text() == "start") {
      state_->ready = true;
    } else {
      start(listener_);
    }
  }

  void on_data(const SocketMessage& socket) {
    if (duty_ == Duty::block) ignore(sockets().send(socket.id, Block::copy_of(block_bytes())));
  }

  void send_back(const SocketMessage& socket) {
    const auto bytes = socket.data.bytes();
    const auto size = static_cast<std::size_t>(socket.ud);
    const auto from = UdpAddress::from_bytes(bytes.subspan(size));
    if (from) ignore(sockets().send_to(socket.id, *from, Block::copy_of(bytes.first(size))));
  }

  Runtime* runtime_;
  ServiceHandle self_;
  Duty duty_;
  std::shared_ptr<ServiceState> state_;
  SocketId listener_ = 0;
};

HandlerFactory factory(Runtime& runtime, Duty duty, const std::shared_ptr<ServiceState>& state) {
  if (duty == Duty::echo) {
    return native_service(runtime, {.mode = NativeMode::echo, .host = "127.0.0.1", .port = 0},
                          {.on_listening = [state](std::uint16_t) { state->ready = true; },
                           .on_failure = [state](std::string_view) { state->failed = true; },
                           .on_refusal = [state](std::string_view) { state->failed = true; }});
  }
  return [&runtime, duty, state](ServiceHandle self) -> MessageHandler {
    auto service = std::make_unique<CountedService>(runtime, self, duty, state);
    return [it = std::move(service)](Message&& message) { it->handle(std::move(message)); };
  };
}

}  // namespace

Outcome<std::shared_ptr<ServiceState>> start_service(Runtime& runtime, Duty duty) {
  auto state = std::make_shared<ServiceState>();
  state->handle = runtime.spawn("counted", factory(runtime, duty, state));
  constexpr int kLooks = 10'000;
  for (int look = 0; look < kLooks && !state->ready && !state->failed; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (state->ready && !state->failed) return state;
  return std::unexpected("the service cannot listen on 127.0.0.1");
}

}  // namespace skysock::bench::counts
