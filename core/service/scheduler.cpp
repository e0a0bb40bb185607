#include "core/service/scheduler.hpp"

#include <algorithm>
#include <array>

namespace skysock {

constinit thread_local const Scheduler* Scheduler::adopted_by_ = nullptr;

std::size_t turn_messages(std::size_t length, int weight) {
  const std::size_t share = weight < 0 ? 1 : length >> static_cast<unsigned>(weight);
  return std::clamp<std::size_t>(share, 1, kTurnMessagesMax);
}

int work_weight(std::size_t index) {
  static constexpr std::array kWeights = {-1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                                          2,  2,  2,  2,  2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3};
  return index < kWeights.size() ? kWeights[index] : 0;
}

Scheduler::Scheduler(std::size_t workers, Hooks hooks)
    : inline_(workers == 0),
      hooks_(std::move(hooks)),
      activities_(std::max<std::size_t>(workers, 1)) {
  for (std::size_t index = 0; index < workers; ++index) {
    threads_.emplace_back([this, index] { work(index); });
  }
}

Scheduler::~Scheduler() {
  stop();
  if (adopted_by_ == this) adopted_by_ = nullptr;
}

void Scheduler::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  idle_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Scheduler::schedule(Service& service, Wake wake_when) {
  if (on_inline_thread()) {
    local_.push(service);
    local_count_.store(local_.size(), std::memory_order_relaxed);
    return;
  }
  bool wake_now = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.push(service);
    queued_.store(queue_.size(), std::memory_order_relaxed);
    wake_now = wake_when == Wake::now && claim_wake();
  }
  if (wake_when == Wake::at_flush) flush_due_ = true;
  if (wake_now) wake();
}

void Scheduler::give_back(Service& service) {
  switch (service.mailbox.finish()) {
    case Mailbox::Finished::idle:
      return;
    case Mailbox::Finished::more:
      return schedule(service);
    case Mailbox::Finished::ended:
      return end(service);
  }
}

void Scheduler::flush() {
  if (!std::exchange(flush_due_, false)) return;
  bool wake_now = false;
  {
    const std::lock_guard lock(mutex_);
    wake_now = claim_wake();
  }
  if (wake_now) wake();
}

/// Decides whether the caller must wake(), once it has given the lock back. Requires: the lock.
bool Scheduler::claim_wake() {
  if (queue_.empty() || wake_on_its_way_ || (!inline_ && sleepers_ == 0)) return false;
  wake_on_its_way_ = true;
  wakeups_.store(wakeups_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return true;
}

void Scheduler::wake() {
  if (inline_) {
    hooks_.wake_reactor();
  } else {
    idle_.notify_one();
  }
}

Service* Scheduler::next(Service* again) {
  std::unique_lock lock(mutex_);
  if (again != nullptr) queue_.push(*again);
  while (queue_.empty()) {
    if (stopping_) return nullptr;
    // Under the lock: whoever sees this sleeper notifies after its prepare().
    ++sleepers_;
    const EventCount::Key key = idle_.prepare();
    lock.unlock();
    idle_.wait(key);
    lock.lock();
    --sleepers_;
    wake_on_its_way_ = false;
  }
  Service& service = queue_.pop();
  queued_.store(queue_.size(), std::memory_order_relaxed);
  const bool wake_another = claim_wake();
  lock.unlock();
  if (wake_another) wake();
  return &service;
}

void Scheduler::work(std::size_t index) {
  const int weight = work_weight(index);
  Service* again = nullptr;
  while (Service* service = next(again)) {
    again = turn(*service, weight, activities_[index]) ? service : nullptr;
  }
}

bool Scheduler::turn(Service& service, int weight, Activity& activity) {
  Mailbox& mailbox = service.mailbox;
  const ServiceHandle handle = service.handle;
  for (std::size_t left = turn_messages(mailbox.length(), weight); left > 0; --left) {
    // Before every message: while the one before was handled, thousands may have come.
    if (const std::size_t length = mailbox.overload(); length > 0) {
      hooks_.overloaded(service, length);
    }
    Message* message = mailbox.closed() ? nullptr : mailbox.next();
    if (message == nullptr) break;
    activity.enter(handle, *message);
    service.handler(std::move(*message));
    message->payload = std::monostate();  // Freed now, not when the batch is through.
  }
  activity.leave();
  switch (mailbox.finish()) {
    case Mailbox::Finished::idle:
      return false;
    case Mailbox::Finished::more:
      return true;
    case Mailbox::Finished::ended:
      end(service);
      return false;
  }
  return false;
}

void Scheduler::adopt_thread() {
  if (inline_) adopted_by_ = this;
}

void Scheduler::run_now(Service& service, Message&& message) {
  Activity& activity = activities_.front();
  activity.enter(service.handle, message);
  service.handler(std::move(message));
  activity.leave();
  if (!here_.empty() || !local_.empty()) run();
}

/// What was posted past the mailboxes, oldest first; what comes meanwhile has its turn next.
void Scheduler::run_here(Activity& activity) {
  running_here_.swap(here_);
  for (Here& one : running_here_) {
    if (one.service == nullptr) {
      hooks_.dropped(one.to, std::move(one.message));
      continue;
    }
    Service& service = *one.service;
    service.mailbox.passed(service.mailbox.beside() - 1);
    if (service.mailbox.closed()) {
      hooks_.dropped(one.to, std::move(one.message));
      continue;
    }
    activity.enter(one.to, one.message);
    service.handler(std::move(one.message));
    one.message.payload = std::monostate();  // Freed now, not when the batch is through.
  }
  activity.leave();
  running_here_.clear();
}

void Scheduler::end(Service& service) {
  if (on_inline_thread()) {
    for (std::vector<Here>* queue : {&here_, &running_here_}) {
      for (Here& one : *queue) {
        if (one.service == &service) one.service = nullptr;
      }
    }
    service.mailbox.passed(0);
  }
  hooks_.ended(service);
}

void Scheduler::take_shared() {
  // A push that this misses is followed by a wake-up, and that by another run().
  if (queued_.load(std::memory_order_acquire) == 0) return;
  const std::lock_guard lock(mutex_);
  local_.append(queue_);
  queued_.store(0, std::memory_order_relaxed);
  wake_on_its_way_ = false;
}

void Scheduler::run() {
  if (!inline_) return;
  SKYSOCK_CHECK(on_inline_thread());
  Activity& activity = activities_.front();
  const std::uint64_t end = activity.count() + kRunMessagesMax;
  take_shared();
  while (!(here_.empty() && local_.empty()) && activity.count() < end) {
    if (!here_.empty()) run_here(activity);
    // Each time round: services that post to each other for ever must not keep the others waiting.
    if (!local_.empty()) {
      Service& service = local_.pop();
      // What still waits beside a mailbox is older than what this thread put into it.
      if (service.mailbox.beside() > 0 || turn(service, 0, activity)) local_.push(service);
    }
    take_shared();
  }
  local_count_.store(local_.size() + (here_.empty() ? 0 : 1), std::memory_order_relaxed);
  if (!local_.empty() || !here_.empty()) hooks_.wake_reactor();
}

std::uint64_t Scheduler::handled() const {
  std::uint64_t sum = 0;
  for (const Activity& activity : activities_) sum += activity.count();
  return sum;
}

std::size_t Scheduler::run_queue_length() const {
  return queued_.load(std::memory_order_relaxed) + local_count_.load(std::memory_order_relaxed);
}

}  // namespace skysock
