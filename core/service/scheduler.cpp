#include "core/service/scheduler.hpp"

namespace skysock {

Scheduler::Scheduler(std::size_t workers, std::function<void(const Service&)> on_ended)
    : on_ended_(std::move(on_ended)) {
  for (std::size_t worker = 0; worker < workers; ++worker) {
    threads_.emplace_back([this] { work(); });
  }
}

Scheduler::~Scheduler() { stop(); }

void Scheduler::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Scheduler::schedule(std::shared_ptr<Service> service) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    run_queue_.push_back(std::move(service));
    wake = sleepers_ > 0;
  }
  if (wake) wake_.notify_one();
}

std::shared_ptr<Service> Scheduler::next() {
  std::unique_lock lock(mutex_);
  ++sleepers_;
  wake_.wait(lock, [this] { return stopping_ || !run_queue_.empty(); });
  --sleepers_;
  if (run_queue_.empty()) return nullptr;
  std::shared_ptr<Service> service = std::move(run_queue_.front());
  run_queue_.pop_front();
  return service;
}

void Scheduler::work() {
  std::vector<Message> batch;
  while (const std::shared_ptr<Service> service = next()) run(service, batch);
}

void Scheduler::run(const std::shared_ptr<Service>& service, std::vector<Message>& batch) {
  service->mailbox.take(batch);
  for (Message& message : batch) {
    if (service->retired.load(std::memory_order_acquire)) break;
    service->handler(std::move(message));
  }
  batch.clear();
  finish(service);
}

void Scheduler::finish(const std::shared_ptr<Service>& service) {
  switch (service->mailbox.finish()) {
    case Mailbox::Finished::idle:
      return;
    // To the back of the queue, so that one busy service does not starve the others.
    case Mailbox::Finished::more:
      return schedule(service);
    case Mailbox::Finished::ended:
      service->handler = nullptr;
      return on_ended_(*service);
  }
}

}  // namespace skysock
