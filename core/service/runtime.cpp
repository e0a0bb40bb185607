#include "core/service/runtime.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>

#include "core/base/check.hpp"
#include "core/service/timer.hpp"
#include "core/service/watchdog.hpp"
#include "core/sys/descriptor_table.hpp"

namespace skysock {
namespace {

using std::chrono::milliseconds;

/// Longer times would overflow the clock.
constexpr milliseconds kLongTime = std::chrono::hours(24 * 365 * 100);

/// One write(2), so lines of several threads do not mix.
void warn(std::string text) {
  text = "skysock: " + text + "\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

/// A thread of this policy does not interrupt others when it is woken: on a core that it shares, a
/// worker finishes what it has, and the reactor then finds more at once. See sched(7), SCHED_BATCH.
void yield_to_workers() {
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);  // It is only faster so.
}

void warn_of_overload(ServiceHandle handle, std::string_view name, std::size_t length) {
  warn(fmt::format("warning: service '{}' [:{:08x}] may be overloaded: {} messages wait", name,
                   handle, length));
}

std::string text_of(const StuckService& stuck) {
  return fmt::format(
      "service '{}' [:{:08x}] has been inside one message for {} ms or more (type {}, source "
      "[:{:08x}], session {})",
      stuck.name, stuck.handle, stuck.at_least.count(), static_cast<int>(stuck.type), stuck.source,
      stuck.session);
}

RuntimeHooks with_defaults(RuntimeHooks hooks) {
  if (!hooks.on_overload) hooks.on_overload = warn_of_overload;
  if (!hooks.on_stuck) {
    hooks.on_stuck = [](const StuckService& stuck) {
      warn("warning: " + text_of(stuck) + "; maybe an endless loop");
    };
  }
  return hooks;
}

}  // namespace

struct Runtime::Impl {
  Impl(const Tuning& tuning, RuntimeHooks hooks_in)
      : hooks(with_defaults(std::move(hooks_in))),
        host(static_cast<std::size_t>(tuning.workers),
             {.overloaded = hooks.on_overload,
              .ended = [this](ServiceHandle handle) { ended(handle); },
              .wake_reactor = [this] { sockets->wake(); }}) {}

  LinuxSys sys;
  RuntimeHooks hooks;
  std::unique_ptr<SocketServer<LinuxSys>> sockets;

  std::mutex wait_mutex;
  std::condition_variable wait_changed;
  std::size_t alive = 0;  ///< Services that are being made, live or are being ended.
  bool stop_requested = false;
  bool stopped = false;

  ServiceHost host;
  std::unique_ptr<Timer> timer;
  std::optional<Watchdog> watchdog;
  std::thread reactor_thread;
  std::binary_semaphore exit_given{0};  ///< Nobody calls the server any more.

  static Impl& self(void* context) { return *static_cast<Impl*>(context); }

  /// Without workers services run after each event; with workers some are woken after a batch.
  EventSink sink(bool workers) {
    EventSink sink{.context = this, .deliver = [](void* context, Event&& event) {
                     return self(context).host.deliver(std::move(event));
                   }};
    if (workers) {
      sink.flush = [](void* context) { self(context).host.flush(); };
    } else {
      sink.run = [](void* context) { self(context).host.run(); };
      sink.deliver_and_run = [](void* context, Event&& event) {
        return self(context).host.deliver_and_run(std::move(event));
      };
    }
    return sink;
  }

  void start_threads(const Tuning& tuning) {
    // Without workers, only the reactor's thread is to have its descriptor table; the others need
    // nothing but what wakes it. They have left before anybody opens a socket: a copy would keep
    // it.
    std::function<void()> begin;
    if (const int wake_fd = sockets->wake_fd(); tuning.workers == 0 && wake_fd >= 0) {
      begin = [fd = wake_fd] { leave_descriptor_table({STDERR_FILENO, fd}); };
    }
    timer = std::make_unique<Timer>(
        [this](TimerQueue::Due due) {
          host.post(due.service, {.type = MessageType::response, .session = due.session});
        },
        begin);
    if (tuning.watchdog_ms > 0) {
      watchdog.emplace(
          host.scheduler().activities(), milliseconds(tuning.watchdog_ms),
          [this](const Incident& incident) { hooks.on_stuck(stuck_in(incident)); }, begin);
    }
    const bool yields = tuning.reactor_yields != 0 && tuning.workers > 0;
    reactor_thread = std::thread([this, yields] {
      if (yields) yield_to_workers();
      host.adopt_thread();
      for (bool more = true; more;) {
        more = sockets->poll(-1);
        if (hooks.after_batch) hooks.after_batch();
      }
      // Here, where the descriptors are; and not before whoever gave the exit is out of the server.
      exit_given.acquire();
      sockets.reset();
    });
  }

  StuckService stuck_in(const Incident& incident) const {
    const Activity::Snapshot& message = incident.message;
    return {.handle = message.service,
            .name = host.registry().name_of(message.service),
            .type = message.type,
            .source = message.source,
            .session = message.session,
            .at_least = incident.at_least};
  }

  void born() {
    const std::lock_guard lock(wait_mutex);
    ++alive;
  }

  void gone() {
    // Under the lock: wait() may return, and this object die, as soon as it is given back.
    const std::lock_guard lock(wait_mutex);
    --alive;
    wait_changed.notify_all();
  }

  void ended(ServiceHandle handle) {
    sockets->owner_gone(handle);
    gone();
  }

  bool wait_for_the_last(milliseconds limit) {
    std::unique_lock lock(wait_mutex);
    return wait_changed.wait_for(lock, limit, [this] { return alive == 0; });
  }

  /// Names those that are inside of a message; the others only wait for them.
  void name_who_did_not_end(milliseconds limit) {
    std::size_t waiting = 0;
    {
      const std::lock_guard lock(wait_mutex);
      waiting = alive;
    }
    for (const Activity& activity : host.scheduler().activities()) {
      const Incident incident{.message = activity.snapshot(), .at_least = limit};
      if (incident.message.service == 0) continue;
      warn("error: did not end: " + text_of(stuck_in(incident)));
      waiting -= std::min<std::size_t>(waiting, 1);
    }
    if (waiting > 0) warn(fmt::format("error: {} more services did not end", waiting));
  }
};

Result<std::unique_ptr<Runtime>> Runtime::start(const Tuning& tuning, RuntimeHooks hooks) {
  // A write to a pipe or socket whose reader is gone is an error code here, not a signal.
  std::signal(SIGPIPE, SIG_IGN);
  auto impl = std::make_unique<Impl>(tuning, std::move(hooks));
  auto sockets = SocketServer<LinuxSys>::create(impl->sys, tuning, impl->sink(tuning.workers > 0));
  if (!sockets) return Failure(sockets.error());
  impl->sockets = std::move(*sockets);
  if (const std::string text = fallback_text(impl->sockets->poller()); !text.empty()) {
    warn("warning: " + text);
  }
  impl->sockets->observe(impl->hooks.observer);
  impl->start_threads(tuning);
  return std::unique_ptr<Runtime>(new Runtime(std::move(impl)));
}

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Runtime::~Runtime() { stop(); }

ServiceHandle Runtime::spawn(std::string name, const HandlerFactory& make_handler) {
  impl_->born();
  const ServiceHandle handle = impl_->host.spawn(std::move(name), make_handler);
  if (handle == 0) impl_->gone();
  return handle;
}

void Runtime::retire(ServiceHandle service) { impl_->host.retire(service); }

bool Runtime::post(ServiceHandle to, Message&& message) {
  return impl_->host.post(to, std::move(message));
}

TimerId Runtime::post_after(milliseconds delay, ServiceHandle to, Session session) {
  const auto when = Timer::Clock::now() + std::clamp(delay, milliseconds(0), kLongTime);
  return impl_->timer->add(when, {.service = to, .session = session});
}

bool Runtime::cancel(TimerId timer) { return impl_->timer->cancel(timer); }

bool Runtime::name(ServiceHandle service, std::string_view text) {
  return impl_->host.registry().name(service, text);
}

ServiceHandle Runtime::query(std::string_view text) const {
  return impl_->host.registry().query(text);
}

std::size_t Runtime::mailbox_length(ServiceHandle service) const {
  return impl_->host.registry().mailbox_length(service);
}

std::size_t Runtime::service_count() const { return impl_->host.registry().size(); }

RuntimeCounts Runtime::counts() const {
  const ServiceHost& host = impl_->host;
  return {.delivered = host.scheduler().handled(),
          .dropped = host.dropped(),
          .wakeups = host.scheduler().wakeups(),
          .timers_fired = impl_->timer->fired(),
          .services = host.registry().size(),
          .longest_mailbox = host.registry().longest_mailbox(),
          .run_queue_length = host.scheduler().run_queue_length()};
}

void Runtime::wait() {
  std::unique_lock lock(impl_->wait_mutex);
  impl_->wait_changed.wait(lock, [this] { return impl_->alive == 0 || impl_->stop_requested; });
}

void Runtime::request_stop() {
  const std::lock_guard lock(impl_->wait_mutex);
  impl_->stop_requested = true;
  impl_->wait_changed.notify_all();
}

void Runtime::stop() { stop(kLongTime); }

bool Runtime::stop(milliseconds limit) {
  if (impl_->stopped) return true;
  for (const ServiceHandle handle : impl_->host.registry().close()) retire(handle);
  // Whoever runs services ends each of them, the one that another thread just schedules too.
  if (!impl_->wait_for_the_last(std::clamp(limit, milliseconds(0), kLongTime))) {
    impl_->name_who_did_not_end(limit);
    return false;
  }
  impl_->stopped = true;
  impl_->watchdog.reset();
  // Workers first: they talk to the timer and the reactor. Scheduler and timer themselves outlive
  // the threads that post.
  impl_->host.scheduler().stop();
  impl_->timer->stop();
  const Result<void> sent = impl_->sockets->exit();
  SKYSOCK_CHECK(sent.has_value());  // The read end of the pipe is ours and open.
  impl_->exit_given.release();
  impl_->reactor_thread.join();
  return true;
}

SocketServer<LinuxSys>& Runtime::sockets() { return *impl_->sockets; }

}  // namespace skysock
