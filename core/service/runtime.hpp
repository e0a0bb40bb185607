#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/net/socket_server.hpp"
#include "core/net/step_observer.hpp"
#include "core/net/tuning.hpp"
#include "core/service/message.hpp"
#include "core/service/service_host.hpp"
#include "core/service/timer_queue.hpp"
#include "core/sys/linux.hpp"

namespace skysock {

/// A service that has been inside of one message for longer than the tuning's `watchdog_ms`.
struct StuckService {
  ServiceHandle handle = 0;
  std::string name;
  MessageType type = MessageType::text;  ///< Of the message, like the next two.
  ServiceHandle source = 0;
  Session session = 0;
  std::chrono::milliseconds at_least{0};
};

/// What a runtime tells its owner. Overload and stuck services are one line on standard error when
/// nothing is set for them.
struct RuntimeHooks {
  /// `length` messages wait for a service: more than 1,024, and twice as many as reported last
  /// unless its mailbox was empty since. On the thread that runs the service.
  std::function<void(ServiceHandle, std::string_view name, std::size_t length)> on_overload;
  /// Once per message, on a thread of its own. Must not stop the runtime.
  std::function<void(const StuckService&)> on_stuck;
  /// Every step of the sockets' rule machine, from the first on. On the reactor thread.
  StepObserver observer;
  /// After every batch of the reactor, the last one too. On its thread.
  std::function<void()> after_batch;
};

/// What happened so far, read while everything runs: each figure is exact, together they are not a
/// snapshot.
struct RuntimeCounts {
  std::uint64_t delivered = 0;  ///< Messages that handlers were given.
  std::uint64_t dropped = 0;    ///< Messages refused by post(), or queued when their service ended.
  std::uint64_t wakeups = 0;    ///< Of workers; without workers, of the reactor for services.
  std::uint64_t timers_fired = 0;
  std::size_t services = 0;
  std::size_t longest_mailbox = 0;   ///< Messages waiting for one service, now.
  std::size_t run_queue_length = 0;  ///< Services waiting for a turn, now.
};

/// One node: the reactor thread with its socket server, worker threads that run services (none:
/// the reactor thread runs them between two events), a timer thread and a watchdog.
///
/// Every member function may be called from any thread, handlers included, unless it says
/// otherwise.
class Runtime {
 public:
  /// Starts all threads. Errors: an errno of the calls that make epoll, pipe and spare descriptor.
  static Result<std::unique_ptr<Runtime>> start(const Tuning& tuning, RuntimeHooks hooks = {});

  /// Stops if stop() was not called, however long that takes.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Adds a service. Its handler is made before this returns, on the calling thread; it may get
  /// messages at once. Returns 0 once stop() has begun.
  ServiceHandle spawn(std::string name, const HandlerFactory& make_handler);

  /// Ends a service. At once: later messages to it are refused, its names are free. After the
  /// message it is handling, where services run: queued messages are freed, and requests among them
  /// (session > 0, neither response nor error) answered with an `error` message; its handler is
  /// destroyed; sockets it owns are closed softly. An unknown handle is ignored.
  void retire(ServiceHandle service);

  /// Queues `message` for `to`. Returns false, and frees it, when nobody lives there.
  bool post(ServiceHandle to, Message&& message);

  /// Posts a `response` message with `session` to `to` after `delay`; the resolution is that of the
  /// clock. Equal times fire in the order asked for.
  TimerId post_after(std::chrono::milliseconds delay, ServiceHandle to, Session session);

  /// True when the timer was pending: then its message is never posted.
  bool cancel(TimerId timer);

  /// Gives a service a local name, until it ends. False when the name is empty or taken, or nobody
  /// lives there. Source: skynet.name().
  bool name(ServiceHandle service, std::string_view text);
  /// Who has that name; 0 when nobody. Source: skynet.localname().
  [[nodiscard]] ServiceHandle query(std::string_view text) const;

  /// Messages waiting for a service; 0 when nobody lives there. Source: skynet.mqlen().
  [[nodiscard]] std::size_t mailbox_length(ServiceHandle service) const;

  /// Services alive.
  [[nodiscard]] std::size_t service_count() const;

  /// Cost: a look at every service's mailbox.
  [[nodiscard]] RuntimeCounts counts() const;

  /// Blocks until no service is alive or request_stop() was called.
  void wait();

  /// Makes wait() return. Async-signal-safe: no; call it from a thread (see lua/main for signals).
  void request_stop();

  /// Ends every service, then the threads; sends what queues still hold if sockets take it at once.
  /// Idempotent. Requires: not called from a handler.
  void stop();

  /// The same, but waits for services at most `limit`. Returns false when some did not end: they
  /// are named on standard error, no thread was ended, and stop() may be called again; a process
  /// that will not wait must leave by _exit(2).
  bool stop(std::chrono::milliseconds limit);

  /// Requires: stop() has not returned.
  SocketServer<LinuxSys>& sockets();

 private:
  struct Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace skysock
