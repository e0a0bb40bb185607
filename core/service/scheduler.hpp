#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/service/mailbox.hpp"

namespace skysock {

/// Called with one message at a time, on any worker thread, never on two at once. It must not
/// throw.
using MessageHandler = std::move_only_function<void(Message&&)>;

/// One actor: a mailbox and what handles its messages.
struct Service {
  ServiceHandle handle = 0;
  std::string name;
  Mailbox mailbox;
  MessageHandler handler;  ///< Touched only by the worker that has the service, after spawn.
  std::atomic<bool> retired{false};
};

/// Worker threads that run services whose mailboxes have messages, first-in first-out.
class Scheduler {
 public:
  /// `on_ended` is called on a worker once a retired service's handler is gone.
  Scheduler(std::size_t workers, std::function<void(const Service&)> on_ended);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Puts a service whose mailbox said so into the run queue. Wakes a worker only if one sleeps.
  /// Thread safe.
  void schedule(std::shared_ptr<Service> service);

  /// Runs what is queued to its end and joins the workers. The object must live on until no other
  /// thread can be inside schedule(): a notification may still be on its way out. Idempotent.
  void stop();

  /// Gives a service back after a turn, or after it was made: it is scheduled again, idle or ended.
  /// Thread safe. Requires: the caller is the one that has the service.
  void finish(const std::shared_ptr<Service>& service);

 private:
  void work();
  /// Next service, or null when stopping and nothing is queued.
  std::shared_ptr<Service> next();
  void run(const std::shared_ptr<Service>& service, std::vector<Message>& batch);

  std::function<void(const Service&)> on_ended_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Service>> run_queue_;
  std::size_t sleepers_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace skysock
