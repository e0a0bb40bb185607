#include "lua/stats_printer.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cmath>

#include "core/service/stats_text.hpp"

namespace skysock::lua {
namespace {

using std::chrono::milliseconds;

constexpr double kSecondsMin = 0.01;
constexpr double kSecondsMax = 1e6;

}  // namespace

void add_stats_options(CLI::App& app, StatsCommand& command) {
  app.add_option("--stats", command.seconds,
                 "Print all counts to standard error every SECONDS (0.01 to 1e6) and at the end; "
                 "0: only at the end; `--stats help` says what each one is")
      ->type_name("SECONDS");
  app.add_flag("--stats-json", command.json, "Counts as one JSON object a line");
}

std::expected<std::optional<StatsOptions>, std::string> parse_stats(const StatsCommand& command) {
  const std::string& text = command.seconds;
  if (text.empty()) {
    if (command.json) return std::unexpected("--stats-json needs --stats SECONDS");
    return std::nullopt;
  }
  double seconds = -1;
  const char* end = text.data() + text.size();
  const bool number = std::from_chars(text.data(), end, seconds).ptr == end;
  if (!number || (seconds != 0 && !(seconds >= kSecondsMin && seconds <= kSecondsMax))) {
    return std::unexpected(fmt::format("--stats '{}': expected 0, or {} to {} seconds", text,
                                       kSecondsMin, kSecondsMax));
  }
  return StatsOptions{.interval = milliseconds(std::llround(seconds * 1'000)),
                      .json = command.json};
}

StatsPrinter::StatsPrinter(Runtime& runtime, StatsOptions options)
    : runtime_(&runtime), options_(options) {
  if (options_.interval.count() > 0) thread_ = std::thread([this] { repeat(); });
}

StatsPrinter::~StatsPrinter() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  print();
}

void StatsPrinter::services_end() {
  const std::lock_guard lock(mutex_);
  before_end_ = {.services = runtime_->counts(),
                 .refused_events = runtime_->sockets().counts().refused_events};
}

void StatsPrinter::repeat() {
  auto next = start_;
  std::unique_lock lock(mutex_);
  for (;;) {
    next += options_.interval;
    if (changed_.wait_until(lock, next, [this] { return finished_; })) return;
    print();
  }
}

void StatsPrinter::print() const {
  const auto uptime =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start_);
  SocketServerCounts sockets = runtime_->sockets().counts();
  if (before_end_) sockets.refused_events = before_end_->refused_events;
  const CountValues counts =
      count_values(sockets, before_end_ ? before_end_->services : runtime_->counts());
  const PollerKind poller = runtime_->sockets().poller().kind;
  const std::string text =
      options_.json ? stats_json(counts, uptime, poller) : stats_text(counts, uptime, poller);
  // One write(2), so that lines of services do not get into a block.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace skysock::lua
