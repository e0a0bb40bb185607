#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "core/base/result.hpp"
#include "core/net/socket_server.hpp"
#include "core/net/tuning.hpp"
#include "core/service/message.hpp"
#include "core/service/scheduler.hpp"
#include "core/sys/linux.hpp"

namespace skysock {

/// Called with one message at a time, on any worker thread, never on two at once. It must not
/// throw.
using MessageHandler = std::move_only_function<void(Message&&)>;

/// Makes the handler of a service that already knows its own handle.
using HandlerFactory = std::function<MessageHandler(ServiceHandle self)>;

/// One node: the reactor thread with its socket server, worker threads that run services, and a
/// timer thread.
///
/// Every member function may be called from any thread, handlers included, unless it says
/// otherwise.
class Runtime {
 public:
  /// Starts all threads. Errors: an errno of the calls that make epoll, pipe and spare descriptor.
  static Result<std::unique_ptr<Runtime>> start(const Tuning& tuning);

  /// Stops if stop() was not called.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Adds a service. Its handler is made before this returns, on the calling thread; it may get
  /// messages at once.
  ServiceHandle spawn(std::string name, const HandlerFactory& make_handler);

  /// Ends a service: its queued messages are freed, its handler is destroyed (on a worker thread,
  /// after the message it is handling), later messages to it are refused and sockets it owns are
  /// closed when they next have an event. An unknown handle is ignored.
  void retire(ServiceHandle service);

  /// Queues `message` for `to`. Returns false, and frees it, when nobody lives there.
  bool post(ServiceHandle to, Message&& message);

  /// Posts a `response` message with `session` to `to` after `delay`; the resolution is 1 ms.
  void post_after(std::chrono::milliseconds delay, ServiceHandle to, Session session);

  /// Services alive.
  [[nodiscard]] std::size_t service_count() const;

  /// Blocks until no service is alive or request_stop() was called.
  void wait();

  /// Makes wait() return. Async-signal-safe: no; call it from a thread (see lua/main for signals).
  void request_stop();

  /// Ends every service, then the threads; sends what queues still hold if sockets take it at once.
  /// Idempotent. Requires: not called from a handler.
  void stop();

  SocketServer<LinuxSys>& sockets();

 private:
  struct Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace skysock
