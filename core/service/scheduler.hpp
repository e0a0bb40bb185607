#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "core/service/activity.hpp"
#include "core/service/event_count.hpp"
#include "core/service/service.hpp"

namespace skysock {

/// How many of `length` waiting messages a turn handles: one for weight -1, else length >> weight,
/// but at least one and never more than kTurnMessagesMax. Source:
/// skynet_context_message_dispatch().
std::size_t turn_messages(std::size_t length, int weight);

/// Bounds how long others wait for a service whose mailbox is full.
inline constexpr std::size_t kTurnMessagesMax = 1'024;

/// The weight of worker `index`. Source: the table in skynet_start.c.
int work_weight(std::size_t index);

/// Gives services whose mailboxes have messages a turn each, first-in first-out: on worker threads,
/// or, without workers, on the reactor thread inside run().
///
/// A worker is woken only if one sleeps and none is on its way already; the woken one wakes the
/// next if there is more to do. A worker that runs out of services sleeps at once.
class Scheduler {
 public:
  struct Hooks {
    /// A service has `length` messages waiting. On the thread that has it.
    std::function<void(const Service&, std::size_t length)> overloaded;
    /// The mailbox of a service is closed: end it. On the thread that has it; nobody has it after.
    std::function<void(Service&)> ended;
    /// A message that post_here() took cannot be handled: its service has ended.
    std::function<void(ServiceHandle, Message&&)> dropped;
    /// Makes the reactor thread call run(). Any thread; only used without workers.
    std::function<void()> wake_reactor;
  };

  Scheduler(std::size_t workers, Hooks hooks);
  /// Requires: stop() was called, or no service was ever scheduled.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// When a worker is woken for a service that was scheduled.
  enum class Wake : std::uint8_t { now, at_flush };

  /// Puts a service whose mailbox said so into the run queue. Thread safe; `at_flush` is for the
  /// reactor thread.
  void schedule(Service& service, Wake wake = Wake::now);

  /// Without workers, on the thread that calls run(): queues `message` past the mailbox, without a
  /// lock, and in order with everything else that this thread sends. Returns false, and leaves the
  /// message alone, when that cannot be; then it goes into the mailbox.
  bool post_here(Service& service, ServiceHandle to, Message& message) {
    if (!may_pass(service, to)) return false;
    here_.emplace_back(&service, to, std::move(message));
    service.mailbox.passed(service.mailbox.beside() + 1);
    return true;
  }

  /// Without workers, on the thread that calls run(): whether a message for the service at `to` is
  /// the next that would be handled.
  [[nodiscard]] bool may_run_now(const Service& service, ServiceHandle to) const {
    return here_.empty() && local_.empty() && queued_.load(std::memory_order_relaxed) == 0 &&
           may_pass(service, to);
  }
  /// Hands it the message, then runs whoever got messages meanwhile. Requires: may_run_now(); not
  /// called from a handler.
  void run_now(Service& service, Message&& message);

  /// Gives a service back that was just made: it is scheduled, idle or ended. Thread safe.
  void give_back(Service& service);

  /// Wakes a worker if schedule() left that to us. Reactor thread.
  void flush();

  /// Without workers: says that the calling thread is the one that calls run().
  void adopt_thread();

  /// Without workers: gives services turns until none waits, or about kRunMessagesMax messages were
  /// handled; then the rest has its turn after the reactor looked for events. Requires: the thread
  /// that called adopt_thread(); not called from a handler.
  void run();
  static constexpr std::uint64_t kRunMessagesMax = 1'024;

  /// Runs what is queued to its end and joins the workers. The object must live on until no other
  /// thread can be inside schedule(): a notification may still be on its way out. Idempotent.
  void stop();

  /// What each worker is inside of; without workers one, the reactor thread's.
  [[nodiscard]] std::span<const Activity> activities() const { return activities_; }

  /// Messages that handlers were given.
  [[nodiscard]] std::uint64_t handled() const;
  /// Wake-ups of workers; without workers, of the reactor.
  [[nodiscard]] std::uint64_t wakeups() const { return wakeups_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t run_queue_length() const;

 private:
  void work(std::size_t index);
  /// The service that has waited longest, or nullptr when stopping and none waits. `again` goes to
  /// the back first, unless it is nullptr.
  Service* next(Service* again);
  bool claim_wake();
  void wake();
  void take_shared();
  [[nodiscard]] bool on_inline_thread() const { return adopted_by_ == this; }
  /// A service that is made stays so, and stays who it is, until this thread ends it.
  [[nodiscard]] bool may_pass(const Service& service, ServiceHandle to) const {
    return on_inline_thread() && service.made.load(std::memory_order_acquire) &&
           service.handle == to && service.mailbox.may_be_passed();
  }
  void run_here(Activity& activity);
  void end(Service& service);
  /// Returns whether the service must have another turn.
  bool turn(Service& service, int weight, Activity& activity);

  /// The scheduler without workers whose run() this thread calls.
  static constinit thread_local const Scheduler* adopted_by_;

  const bool inline_;  ///< No workers.
  Hooks hooks_;
  std::vector<Activity> activities_;

  mutable std::mutex mutex_;
  RunQueue queue_;
  std::size_t sleepers_ = 0;
  bool wake_on_its_way_ = false;  ///< Until the woken thread has the lock.
  bool stopping_ = false;
  EventCount idle_;
  std::atomic<std::size_t> queued_{0};  ///< queue_.size(), written under the lock.
  std::atomic<std::uint64_t> wakeups_{0};

  /// A message past the mailbox; `service` is nullptr once that has ended.
  struct Here {
    Here(Service* service_in, ServiceHandle to_in, Message&& message_in)
        : service(service_in), to(to_in), message(std::move(message_in)) {}
    Service* service;
    ServiceHandle to;
    Message message;
  };

  // Of the reactor thread.
  std::vector<Here> here_;
  std::vector<Here> running_here_;
  RunQueue local_;                           ///< Without workers: scheduled by that thread itself.
  std::atomic<std::size_t> local_count_{0};  ///< local_.size(), for others to read.
  bool flush_due_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace skysock
