#include "stress/run.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <vector>

#include "core/base/progress_line.hpp"
#include "stress/client_process.hpp"
#include "stress/limits.hpp"
#include "stress/progress.hpp"
#include "stress/server.hpp"
#include "stress/target.hpp"

namespace skysock::stress {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPollMs = 100;
/// What a client may take beyond its own limits before it is killed.
constexpr double kClientGraceS = 10;

/// The signals as a descriptor; blocked for the rest of the process's life, so that none is lost.
Descriptor open_signals(std::initializer_list<int> numbers) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : numbers) ::sigaddset(&set, number);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return Descriptor(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

class Run {
 public:
  explicit Run(const Options& options) : options_(options) { std::signal(SIGPIPE, SIG_IGN); }

  Result take() {
    if (prepare()) {
      started_ = Clock::now();
      while (!clients_over()) turn();
      result_.elapsed_s = elapsed_s();
      progress_.clear();
      collect();
    }
    end_server();
    return std::move(result_);
  }

 private:
  /// False when there can be no run; the result says why.
  bool prepare() {
    result_.could_not_run = why_it_does_not_fit(options_);
    if (!result_.could_not_run.empty()) return false;
    if (options_.target.empty() && !start_server()) return false;
    result_.address = server_ ? server_->address() : options_.target;
    auto target = resolve_target(result_.address);
    if (!target) return could_not_run(target.error());
    return start_clients(*target);
  }

  bool could_not_run(std::string reason) {
    result_.could_not_run = std::move(reason);
    return false;
  }

  bool start_server() {
    auto command = server_command(options_, program_directory());
    if (!command) return could_not_run("--server: " + command.error());
    result_.server = *command;
    auto server = Server::start(*command, options_.server_timeout_s, stop_signals_.get());
    if (!server) return no_server(server.error());
    server_.emplace(std::move(*server));
    return true;
  }

  /// skysock's exit code 2 says that what we handed on to it is wrong; then its own words are best.
  bool no_server(const StartError& error) {
    constexpr std::string_view kPrefix = "skysock: error: ";
    const std::string_view line = error.first_line;
    result_.wrong_usage = options_.server_command.empty() &&
                          error.exit_code == static_cast<int>(ExitCode::usage) &&
                          line.starts_with(kPrefix);
    if (!result_.wrong_usage) return could_not_run(error.text);
    return could_not_run(std::string(line.substr(kPrefix.size())));
  }

  bool start_clients(const Target& target) {
    for (std::uint64_t index = 0; index < options_.clients; ++index) {
      ClientTask task;
      task.index = index;
      task.seed = options_.seed;
      task.connections = options_.connections;
      task.duration_s = options_.duration_s;
      task.hang_timeout_s = options_.hang_timeout_s;
      task.message_bytes_max = options_.message_bytes_max;
      task.failures_max = options_.failures_max;
      task.target = target;
      auto client = ClientProcess::start(task);
      if (!client) return could_not_run(client.error());
      clients_.push_back(std::move(*client));
    }
    announce();
    return true;
  }

  void announce() const {
    std::string pids;
    for (const ClientProcess& client : clients_) pids += fmt::format(" {}", client.pid());
    fmt::print("driving {}{}; client pids{}\n", result_.address,
               server_ ? fmt::format(" (server pid {})", server_->pid()) : "", pids);
    std::fflush(stdout);
  }

  void turn() {
    wait();
    read_signals();
    read_clients();
    watch_server();
    enforce_deadline();
    if (progress_.due()) {
      progress_.show(progress_text(elapsed_s(), options_.duration_s, open_now_, now_));
    }
  }

  void wait() {
    std::vector<pollfd> fds = {{stop_signals_.get(), POLLIN, 0}, {ends_.get(), POLLIN, 0}};
    if (server_) {
      fds.push_back({server_->output_fd(), POLLIN, 0});
      fds.push_back({server_->error_fd(), POLLIN, 0});
    }
    for (const ClientProcess& client : clients_) fds.push_back({client.report_fd(), POLLIN, 0});
    ::poll(fds.data(), fds.size(), kPollMs);
  }

  void read_signals() {
    signalfd_siginfo info{};
    while (::read(ends_.get(), &info, sizeof info) == sizeof info) {
    }
    while (::read(stop_signals_.get(), &info, sizeof info) == sizeof info) {
      killed_by_user_ = result_.interrupted;
      signal_clients(killed_by_user_ ? SIGKILL : SIGTERM);
      result_.interrupted = true;
    }
  }

  void signal_clients(int number) const {
    for (const ClientProcess& client : clients_) client.signal(number);
  }

  void read_clients() {
    now_ = {};
    open_now_ = 0;
    for (ClientProcess& client : clients_) {
      for (Finding& finding : client.read_reports()) report(std::move(finding));
      now_.add(client.counters().totals);
      open_now_ += client.counters().open;
    }
  }

  /// Shows a failure when it is seen: a long run is not waited out for it.
  void report(Finding finding) {
    progress_.clear();
    if (result_.failures.empty()) {
      fmt::print(stderr, "first failure: {}\n", failure_line(finding, options_));
    }
    result_.add_failure(std::move(finding));
  }

  void watch_server() {
    if (!server_ || server_failed_) return;
    server_->drain();
    const auto died = server_->died();
    if (!died) return;
    add_server_failure(fmt::format("{} ({:.1f} s after the start)", *died, elapsed_s()));
    signal_clients(SIGTERM);
  }

  void add_server_failure(std::string detail) {
    server_failed_ = true;
    add_own_failure(FailureKind::server, std::move(detail));
  }

  void add_own_failure(FailureKind kind, std::string detail) {
    Finding finding;
    finding.kind = kind;
    finding.detail = std::move(detail);
    ++own_failures_[static_cast<std::size_t>(kind)];
    report(std::move(finding));
  }

  void enforce_deadline() {
    const double limit_s = options_.duration_s + drain_limit_s(options_.hang_timeout_s) +
                           options_.hang_timeout_s + kClientGraceS;
    if (elapsed_s() < limit_s || overdue_) return;
    overdue_ = true;
    signal_clients(SIGKILL);
  }

  bool clients_over() {
    bool over = true;
    for (ClientProcess& client : clients_) over = client.over() && over;
    return over;
  }

  /// Merges the final counters and what is wrong with how the clients ended.
  void collect() {
    read_clients();
    for (std::size_t index = 0; index < clients_.size(); ++index) {
      const ClientProcess& client = clients_[index];
      if (client.counters().totals.bytes_verified == 0) result_.idle_clients.push_back(index);
      result_.port_waits += client.counters().port_waits;
      if (killed_by_user_) continue;
      const auto wrong = client.wrong_end();
      const auto* why = overdue_ ? " (killed: it was long past its end)" : "";
      if (wrong) add_own_failure(wrong->kind, wrong->detail + why);
    }
  }

  void end_server() {
    if (server_ && !server_failed_) {
      if (auto wrong = server_->stop(options_.server_timeout_s)) add_server_failure(*wrong);
    }
    if (server_) result_.server_error_text = server_->error_text();
    result_.totals = now_;
    for (std::size_t i = 0; i < kFailureKinds; ++i) result_.totals.failures[i] += own_failures_[i];
  }

  double elapsed_s() const {
    return std::chrono::duration<double>(Clock::now() - started_).count();
  }

  const Options& options_;
  Descriptor stop_signals_ = open_signals({SIGINT, SIGTERM});
  Descriptor ends_ = open_signals({SIGCHLD});  ///< Of children; only wakes the loop.
  Result result_;
  std::optional<Server> server_;  ///< Outlives the clients: destroyed after them.
  std::vector<ClientProcess> clients_;
  ProgressLine progress_;
  Clock::time_point started_ = Clock::now();
  Totals now_;  ///< The clients' latest counters, added up.
  std::uint64_t open_now_ = 0;
  std::array<std::uint64_t, kFailureKinds> own_failures_{};
  bool server_failed_ = false;
  bool killed_by_user_ = false;
  bool overdue_ = false;
};

}  // namespace

Result run_stress(const Options& options) { return Run(options).take(); }

}  // namespace skysock::stress
