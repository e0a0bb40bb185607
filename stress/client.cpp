#include "stress/client.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <vector>

#include "core/base/check.hpp"
#include "stress/connection.hpp"
#include "stress/report.hpp"

namespace skysock::stress {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTickMs = 50;
constexpr double kReportIntervalS = 0.2;
/// What one turn of the loop may add to every connection's idle time: a process (or a machine) that
/// was stopped for a minute must not call that a hang of the server.
constexpr double kTurnMaxS = 0.25;
/// A ramp, so that the first burst does not overflow the listener's backlog (a lost SYN costs a
/// second).
constexpr int kOpensPerTurn = 64;
constexpr std::uint64_t kSignalTag = ~std::uint64_t{0};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One place for a connection; when it is over, the next one takes it.
struct Seat {
  std::unique_ptr<Connection> connection;
  std::uint32_t interest = 0;
  std::uint64_t progress = 0;  ///< Of the connection when it last moved.
  double moved_s = 0;          ///< By the client's patient clock.
  bool waits_for_port = false;
};

class Client {
 public:
  explicit Client(const ClientTask& task) : task_(task), seats_(task.connections) {}

  int run() {
    if (!set_up()) return 1;
    for (std::size_t seat = seats_.size(); seat > 0; --seat) vacant_.push_back(seat - 1);
    while (open_count_ > 0 || (!stopping_ && !vacant_.empty())) turn();
    report(true);
    return write_failed_ ? 1 : 0;
  }

 private:
  bool set_up() {
    epoll_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    signals_ = Descriptor(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!epoll_ || !signals_) return false;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kSignalTag;
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, signals_.get(), &event) == 0;
  }

  void turn() {
    for (int opened = 0; opened < kOpensPerTurn && !stopping_ && !vacant_.empty(); ++opened) {
      const std::size_t seat = vacant_.back();
      vacant_.pop_back();
      open_next(seat);
    }
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), kTickMs);
    advance_clock();
    for (int i = 0; i < count; ++i) on_event(events[static_cast<std::size_t>(i)].data.u64);
    if (!stopping_ && seconds_since(start_) >= task_.duration_s) stop();
    if (patient_s_ - swept_s_ >= kTickMs / 1000.0) sweep();
    if (seconds_since(reported_) >= kReportIntervalS) report(false);
  }

  void advance_clock() {
    const auto now = Clock::now();
    const double passed = std::chrono::duration<double>(now - turned_).count();
    turned_ = now;
    patient_s_ += std::min(passed, kTurnMaxS);
  }

  void on_event(std::uint64_t tag) {
    if (tag == kSignalTag) {
      signalfd_siginfo info{};
      if (::read(signals_.get(), &info, sizeof info) == sizeof info) stop();
      return;
    }
    step(static_cast<std::size_t>(tag));
  }

  void step(std::size_t seat) {
    if (!seats_[seat].connection || seats_[seat].waits_for_port) return;
    settle(seat, seats_[seat].connection->advance(scratch_));
  }

  /// What follows from a connection's status; a seat that became free is taken by the next
  /// connection.
  void settle(std::size_t index, Connection::Status status) {
    Seat& seat = seats_[index];
    switch (status) {
      case Connection::Status::going:
        watch(index);
        return;
      case Connection::Status::no_local_port:
        seat.waits_for_port = true;
        ++port_waits_;
        return;
      case Connection::Status::failed:
        send(seat.connection->finding());
        break;
      case Connection::Status::complete:
        break;
    }
    vacate(index);
  }

  void vacate(std::size_t index) {
    seats_[index].connection.reset();
    --open_count_;
    vacant_.push_back(index);
    if (totals_.failure_count() >= task_.failures_max) stop();
  }

  void open_next(std::size_t index) {
    const auto number = connection_number(task_.index, next_sequence_++);
    const Plan plan = make_plan(task_.seed, number, task_.message_bytes_max);
    Seat& seat = seats_[index];
    seat = Seat{};
    seat.connection = std::make_unique<Connection>(plan, task_.seed, totals_);
    seat.moved_s = patient_s_;
    ++open_count_;
    settle(index, seat.connection->open(task_.target));
  }

  /// Adds or changes the seat's interest in its socket.
  void watch(std::size_t index) {
    Seat& seat = seats_[index];
    const std::uint32_t wanted = EPOLLIN | (seat.connection->wants_write() ? EPOLLOUT : 0U);
    if (seat.interest == wanted) return;
    epoll_event event{};
    event.events = wanted;
    event.data.u64 = index;
    const int operation = seat.interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    SKYSOCK_CHECK(::epoll_ctl(epoll_.get(), operation, seat.connection->fd(), &event) == 0);
    seat.interest = wanted;
  }

  void stop() {
    if (stopping_) return;
    stopping_ = true;
    stopped_s_ = patient_s_;
    for (std::size_t seat = 0; seat < seats_.size(); ++seat) {
      if (!seats_[seat].connection) continue;
      seats_[seat].connection->stop_sending();
      step(seat);
    }
  }

  void sweep() {
    swept_s_ = patient_s_;
    for (std::size_t index = 0; index < seats_.size(); ++index) {
      if (seats_[index].connection) sweep_one(index);
    }
  }

  void sweep_one(std::size_t index) {
    Seat& seat = seats_[index];
    if (seat.waits_for_port) {
      retry_port(index);
      return;
    }
    if (note_progress(seat) && !past_drain_limit()) return;
    const bool idle_too_long = patient_s_ - seat.moved_s >= task_.hang_timeout_s;
    if (!idle_too_long && !past_drain_limit()) return;
    step(index);  // Whatever is there already counts: only then is it a hang.
    if (!seat.connection || (note_progress(seat) && !past_drain_limit())) return;
    const double idle_s = patient_s_ - seat.moved_s;
    send(
        seat.connection->give_up(idle_s, idle_too_long ? "" : "too slow after the end of the run"));
    vacate(index);
  }

  bool past_drain_limit() const {
    return stopping_ && patient_s_ - stopped_s_ >= drain_limit_s(task_.hang_timeout_s);
  }

  bool note_progress(Seat& seat) const {
    if (seat.connection->progress() == seat.progress) return false;
    seat.progress = seat.connection->progress();
    seat.moved_s = patient_s_;
    return true;
  }

  void retry_port(std::size_t index) {
    Seat& seat = seats_[index];
    if (stopping_) {
      vacate(index);  // It never was a connection: nothing to verify.
      return;
    }
    seat.waits_for_port = false;
    seat.moved_s = patient_s_;
    settle(index, seat.connection->open(task_.target));
  }

  void report(bool final_report) {
    reported_ = Clock::now();
    Counters counters;
    counters.totals = totals_;
    counters.open = open_count_;
    counters.port_waits = port_waits_;
    counters.final_report = final_report;
    send(counters);
  }

  void send(const Report& what) {
    const std::string line = encode(what);
    for (std::string_view rest = line; !rest.empty();) {
      const ssize_t written = ::write(task_.report_fd, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        write_failed_ = true;
        stop();
        return;
      }
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  ClientTask task_;
  std::vector<Seat> seats_;
  std::vector<std::size_t> vacant_;
  std::vector<std::byte> scratch_ = std::vector<std::byte>(std::max(kReadBytesMax, kWriteBytesMax));
  Descriptor epoll_;
  Descriptor signals_;
  Totals totals_;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t open_count_ = 0;
  std::uint64_t port_waits_ = 0;
  bool stopping_ = false;
  bool write_failed_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point turned_ = start_;
  Clock::time_point reported_ = start_;
  double patient_s_ = 0;  ///< Time that this process had to see progress in.
  double swept_s_ = 0;
  double stopped_s_ = 0;
};

}  // namespace

double drain_limit_s(double hang_timeout_s) { return 3 * hang_timeout_s; }

int run_client(const ClientTask& task) { return Client(task).run(); }

}  // namespace skysock::stress
