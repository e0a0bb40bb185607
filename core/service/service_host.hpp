#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/net/event.hpp"
#include "core/service/registry.hpp"
#include "core/service/scheduler.hpp"

namespace skysock {

/// Makes the handler of a service that already knows its own handle.
using HandlerFactory = std::function<MessageHandler(ServiceHandle self)>;

/// Services, their mailboxes and who runs them; knows no sockets and no clock. Without workers
/// everything happens on the thread that calls run(): then it is deterministic.
///
/// Invariant: every message that post() was given is counted once, as handled or as dropped.
class ServiceHost {
 public:
  struct Hooks {
    /// A mailbox grows: `length` messages wait. On the thread that runs the service.
    std::function<void(ServiceHandle, std::string_view name, std::size_t length)> overloaded;
    /// A service has handled its last message and its handler is gone. The last that is done for
    /// it, on the thread that ran it.
    std::function<void(ServiceHandle)> ended;
    /// Without workers: makes the reactor thread call run(). Any thread.
    std::function<void()> wake_reactor;
  };

  ServiceHost(std::size_t workers, Hooks hooks);
  ServiceHost(const ServiceHost&) = delete;
  ServiceHost& operator=(const ServiceHost&) = delete;

  /// Adds a service; 0 when the registry is closed or full. See Runtime::spawn().
  ServiceHandle spawn(std::string name, const HandlerFactory& make_handler);

  /// See Runtime::retire(). Returns whether `service` was there.
  bool retire(ServiceHandle service);

  /// See Runtime::post(). Cost: one look-up and one uncontended lock, if the service is busy.
  bool post(ServiceHandle to, Message&& message, Scheduler::Wake wake = Scheduler::Wake::now) {
    if (Service* service = registry_.find(to)) {
      if (scheduler_.post_here(*service, to, message)) return true;
      switch (service->mailbox.push(to, std::move(message))) {
        case Mailbox::Pushed::schedule:
          scheduler_.schedule(*service, wake);
          return true;
        case Mailbox::Pushed::queued:
          return true;
        case Mailbox::Pushed::refused:
          break;
      }
    }
    dropped_.fetch_add(1, std::memory_order_relaxed);
    message.payload = std::monostate();
    return false;
  }

  /// The EventSink of the reactor. Source: forward_message().
  bool deliver(Event&& event) {
    const ServiceHandle to = event.to;
    return post(to, forward_message(std::move(event)), Scheduler::Wake::at_flush);
  }
  /// deliver() and run(): the service is called at once if nothing waits before the event.
  bool deliver_and_run(Event&& event) {
    Service* service = registry_.find(event.to);
    if (service != nullptr && scheduler_.may_run_now(*service, event.to)) {
      scheduler_.run_now(*service, forward_message(std::move(event)));
      return true;
    }
    const bool heard = deliver(std::move(event));
    run();
    return heard;
  }
  void run() { scheduler_.run(); }
  void flush() { scheduler_.flush(); }
  void adopt_thread() { scheduler_.adopt_thread(); }

  Registry& registry() { return registry_; }
  Scheduler& scheduler() { return scheduler_; }
  [[nodiscard]] const Registry& registry() const { return registry_; }
  [[nodiscard]] const Scheduler& scheduler() const { return scheduler_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void end(Service& service);
  void drop(ServiceHandle from, Message&& message);

  Hooks hooks_;
  Registry registry_;
  std::atomic<std::uint64_t> dropped_{0};
  Scheduler scheduler_;  ///< Last: its threads use the others.
};

}  // namespace skysock
