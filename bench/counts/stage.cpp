#include "bench/counts/stage.hpp"

#include <fmt/format.h>

#include "bench/counts/tally.hpp"

namespace skysock::bench::counts {
namespace {

constexpr std::chrono::seconds kPatience{10};

}  // namespace

load::Outcome<std::unique_ptr<Stage>> Stage::open(Tuning tuning) {
  tuning.workers = 0;
  tuning.watchdog_ms = 0;
  std::unique_ptr<Stage> stage(new Stage);
  auto runtime = Runtime::start(tuning, {.after_batch = [at = stage.get()] { at->after_batch(); }});
  if (!runtime) {
    return std::unexpected(fmt::format("no server: {}", runtime.error().message()));
  }
  stage->runtime_ = std::move(*runtime);
  const PollerInUse poller = stage->runtime_->sockets().poller();
  if (const std::string text = fallback_text(poller); !text.empty()) return std::unexpected(text);
  return stage;
}

Stage::~Stage() {
  const std::lock_guard lock(mutex_);
  free_ = true;
  changed_.notify_all();
}

/// On the reactor's thread. The reactor waits here, not in its poller: packets given meanwhile find
/// it awake.
void Stage::after_batch() {
  if (side == Side::server) leave_server();
  {
    std::unique_lock lock(mutex_);
    stopped_ = !free_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return free_ || !stopped_; });
  }
  if (counting_) enter_server();
}

load::Outcome<void> Stage::wait_until_stopped(const char* otherwise) {
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, kPatience, [this] { return stopped_; })) return {};
  return std::unexpected(otherwise);
}

load::Outcome<void> Stage::lock_step() {
  {
    const std::lock_guard lock(mutex_);
    free_ = false;
  }
  runtime_->sockets().wake();
  return wait_until_stopped("the server did not stop after its batch");
}

load::Outcome<void> Stage::step() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = false;
  }
  changed_.notify_all();
  return wait_until_stopped("the server waits for something that does not come");
}

load::Outcome<void> Stage::step_until(const std::function<bool()>& reached, const char* what) {
  constexpr int kBatchesMax = 1'000;
  for (int batch = 0; batch < kBatchesMax; ++batch) {
    if (reached()) return {};
    if (auto done = step(); !done)
      return std::unexpected(fmt::format("{}: {}", what, done.error()));
  }
  return std::unexpected(fmt::format("{}: not after {} batches", what, kBatchesMax));
}

}  // namespace skysock::bench::counts
