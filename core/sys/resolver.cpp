#include "core/sys/resolver.hpp"

#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace skysock {

struct LinuxResolver::Shared {
  Shared(std::function<void()> on_ready_of_owner, Lookup lookup_of_owner)
      : on_ready(std::move(on_ready_of_owner)), lookup(std::move(lookup_of_owner)) {}

  std::optional<ResolverQuery> next_query();
  void answer(ResolverAnswer answer);
  void stop();

  std::mutex mutex;  ///< Guards what follows, up to `stopped`.
  std::condition_variable changed;
  std::deque<ResolverQuery> queries;
  std::deque<ResolverAnswer> answers;
  bool thread_runs = false;
  bool stopped = false;

  /// Guards on_ready and is held while it runs. Apart from `mutex`, so that on_ready may take().
  std::mutex on_ready_mutex;
  std::function<void()> on_ready;  ///< Empty when the resolver is gone.

  const Lookup lookup;
};

namespace {

/// Blocks all signals of the calling thread, and so of those it starts, for as long as it lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

Result<void> start_detached(std::function<void()> body) {
  const SignalsBlocked blocked;
  try {
    std::thread(std::move(body)).detach();
  } catch (const std::system_error& error) {
    return Failure(errno_code(error.code().value()));
  }
  return {};
}

}  // namespace

/// Blocks until there is a question; nothing when the resolver is gone.
std::optional<ResolverQuery> LinuxResolver::Shared::next_query() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [this] { return stopped || !queries.empty(); });
  if (stopped) return std::nullopt;
  ResolverQuery query = std::move(queries.front());
  queries.pop_front();
  return query;
}

void LinuxResolver::Shared::answer(ResolverAnswer answer) {
  {
    const std::lock_guard lock(mutex);
    answers.push_back(std::move(answer));
  }
  const std::lock_guard lock(on_ready_mutex);
  if (on_ready) on_ready();
}

void LinuxResolver::Shared::stop() {
  {
    const std::lock_guard lock(on_ready_mutex);
    on_ready = nullptr;
  }
  const std::lock_guard lock(mutex);
  stopped = true;
  changed.notify_one();
}

LinuxResolver::LinuxResolver(LinuxSys& /*sys*/, std::function<void()> on_ready)
    : LinuxResolver(std::move(on_ready), resolve) {}

LinuxResolver::LinuxResolver(std::function<void()> on_ready, Lookup lookup)
    : shared_(std::make_shared<Shared>(std::move(on_ready), std::move(lookup))) {}

LinuxResolver::~LinuxResolver() { stop(); }

void LinuxResolver::stop() { shared_->stop(); }

void LinuxResolver::run(const std::shared_ptr<Shared>& shared) {
  while (const std::optional<ResolverQuery> query = shared->next_query()) {
    shared->answer({.tag = query->tag, .endpoints = shared->lookup(query->host, query->port)});
  }
}

void LinuxResolver::ask(ResolverQuery query) {
  std::unique_lock lock(shared_->mutex);
  if (!shared_->thread_runs) {
    const Result<void> started = start_detached([shared = shared_] { run(shared); });
    if (!started) {
      lock.unlock();
      shared_->answer({.tag = query.tag, .endpoints = Failure(started.error())});
      return;
    }
    shared_->thread_runs = true;
  }
  shared_->queries.push_back(std::move(query));
  shared_->changed.notify_one();
}

std::optional<ResolverAnswer> LinuxResolver::take() {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->answers.empty()) return std::nullopt;
  ResolverAnswer answer = std::move(shared_->answers.front());
  shared_->answers.pop_front();
  return answer;
}

}  // namespace skysock
