#pragma once

// What the modes of the C++ service share, and those that have a file of their own.

#include <memory>
#include <utility>

#include "core/service/native_service.hpp"

namespace skysock {

/// The listening socket of a service, which starts what it accepts.
class NativeListener {
 public:
  NativeListener(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                 NativeHooks hooks);

  /// Whether it was the listener's message, which it has handled. A connection's are not.
  bool take(const SocketMessage& socket);

  // A command to the reactor fails only once the node stops.
  void start(SocketId id) {
    [[maybe_unused]] const auto given = runtime_->sockets().start(self_, id);
  }
  void close(SocketId id, CloseMode mode) {
    [[maybe_unused]] const auto given =
        runtime_->sockets().close(self_, id, mode, CloseAnswer::not_needed);
  }

 private:
  void on_connect(const SocketMessage& socket);

  Runtime* runtime_;
  ServiceHandle self_;
  NativeHooks hooks_;
  SocketId id_ = 0;
  std::uint16_t port_ = 0;  ///< 0 until bound.
};

/// A `Service` has such a constructor and `handle(Message&&)`, whose calls run one at a time.
template <typename Service>
MessageHandler native_handler(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                              const NativeHooks& hooks) {
  auto service = std::make_unique<Service>(runtime, self, options, hooks);
  return [it = std::move(service)](Message&& message) { it->handle(std::move(message)); };
}

MessageHandler native_broadcast(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                                const NativeHooks& hooks);
MessageHandler native_udp_echo(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                               const NativeHooks& hooks);
MessageHandler native_connect(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                              const NativeHooks& hooks);

}  // namespace skysock
