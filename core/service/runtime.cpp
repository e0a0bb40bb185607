#include "core/service/runtime.hpp"

#include <csignal>
#include <map>
#include <shared_mutex>

#include "core/base/check.hpp"
#include "core/service/timer.hpp"

namespace skysock {

struct Runtime::Impl {
  explicit Impl(const Tuning& tuning_in) : tuning(tuning_in) {}

  Tuning tuning;
  LinuxSys sys;
  std::unique_ptr<SocketServer<LinuxSys>> sockets;

  mutable std::shared_mutex registry_mutex;
  std::map<ServiceHandle, std::shared_ptr<Service>> registry;
  ServiceHandle last_handle = 0;
  bool stopping = false;  ///< No service is added any more.

  std::mutex wait_mutex;
  std::condition_variable wait_changed;
  std::size_t alive = 0;  ///< Services whose handler exists.
  bool stop_requested = false;
  bool stopped = false;

  std::thread reactor_thread;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<Timer> timer;

  static bool deliver(void* context, Event&& event) {
    const ServiceHandle to = event.to;
    return static_cast<Impl*>(context)->post(to, forward_message(std::move(event)));
  }

  std::shared_ptr<Service> find(ServiceHandle handle) const {
    const std::shared_lock lock(registry_mutex);
    const auto found = registry.find(handle);
    return found == registry.end() ? nullptr : found->second;
  }

  bool post(ServiceHandle to, Message&& message) {
    std::shared_ptr<Service> service = find(to);
    if (!service) return false;
    switch (service->mailbox.push(std::move(message))) {
      case Mailbox::Pushed::refused:
        return false;
      case Mailbox::Pushed::queued:
        return true;
      case Mailbox::Pushed::schedule:
        scheduler->schedule(std::move(service));
        return true;
    }
    return false;
  }

  /// Gives the service a handle and a place; false once stop() has begun.
  bool enroll(const std::shared_ptr<Service>& service) {
    const std::unique_lock lock(registry_mutex);
    if (stopping) return false;
    service->handle = ++last_handle;
    registry.emplace(service->handle, service);
    const std::lock_guard wait_lock(wait_mutex);
    ++alive;
    return true;
  }

  void ended() {
    // Under the lock: wait() may return, and this object die, as soon as it is given back.
    const std::lock_guard lock(wait_mutex);
    --alive;
    wait_changed.notify_all();
  }

  void retire(ServiceHandle handle) {
    std::shared_ptr<Service> service;
    {
      const std::unique_lock lock(registry_mutex);
      const auto node = registry.extract(handle);
      if (node.empty()) return;
      service = node.mapped();
    }
    service->retired.store(true, std::memory_order_release);
    if (service->mailbox.close()) scheduler->schedule(std::move(service));
  }

  /// Refuses new services and returns the handles of those there are.
  std::vector<ServiceHandle> close_registry() {
    const std::unique_lock lock(registry_mutex);
    stopping = true;
    std::vector<ServiceHandle> result;
    for (const auto& [handle, service] : registry) result.push_back(handle);
    return result;
  }
};

Result<std::unique_ptr<Runtime>> Runtime::start(const Tuning& tuning) {
  // A write to a pipe or socket whose reader is gone is an error code here, not a signal.
  std::signal(SIGPIPE, SIG_IGN);
  auto impl = std::make_unique<Impl>(tuning);
  auto sockets = SocketServer<LinuxSys>::create(impl->sys, tuning,
                                                {.context = impl.get(), .deliver = &Impl::deliver});
  if (!sockets) return Failure(sockets.error());
  impl->sockets = std::move(*sockets);
  Impl* self = impl.get();
  impl->scheduler = std::make_unique<Scheduler>(static_cast<std::size_t>(tuning.workers),
                                                [self](const Service&) { self->ended(); });
  impl->timer = std::make_unique<Timer>([self](ServiceHandle service, Session session) {
    self->post(service, {.type = MessageType::response, .session = session});
  });
  impl->reactor_thread = std::thread([self] {
    while (self->sockets->poll(-1)) {
    }
  });
  return std::unique_ptr<Runtime>(new Runtime(std::move(impl)));
}

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Runtime::~Runtime() { stop(); }

ServiceHandle Runtime::spawn(std::string name, const HandlerFactory& make_handler) {
  auto service = std::make_shared<Service>();
  service->name = std::move(name);
  if (!impl_->enroll(service)) return 0;
  // Messages may queue from now on; nobody runs them before finish().
  service->handler = make_handler(service->handle);
  impl_->scheduler->finish(service);
  return service->handle;
}

void Runtime::retire(ServiceHandle service) { impl_->retire(service); }

bool Runtime::post(ServiceHandle to, Message&& message) {
  return impl_->post(to, std::move(message));
}

void Runtime::post_after(std::chrono::milliseconds delay, ServiceHandle to, Session session) {
  impl_->timer->add(Timer::Clock::now() + delay, to, session);
}

std::size_t Runtime::service_count() const {
  const std::shared_lock lock(impl_->registry_mutex);
  return impl_->registry.size();
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

void Runtime::stop() {
  if (impl_->stopped) return;
  impl_->stopped = true;
  for (const ServiceHandle handle : impl_->close_registry()) retire(handle);
  {
    // A worker ends each of them, the one that another thread is just about to schedule too.
    std::unique_lock lock(impl_->wait_mutex);
    impl_->wait_changed.wait(lock, [this] { return impl_->alive == 0; });
  }
  // Workers first: they talk to the timer and the reactor. The scheduler itself outlives the
  // threads that post.
  impl_->scheduler->stop();
  impl_->timer.reset();
  const Result<void> sent = impl_->sockets->exit();
  SKYSOCK_CHECK(sent.has_value());  // The read end of the pipe is ours and open.
  impl_->reactor_thread.join();
  impl_->sockets.reset();
}

SocketServer<LinuxSys>& Runtime::sockets() { return *impl_->sockets; }

}  // namespace skysock
