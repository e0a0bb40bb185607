#include "bench/load/connect_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "bench/load/loopback_listener.hpp"
#include "bench/load/wrong_byte.hpp"

namespace skysock::load {
namespace {

using std::chrono::steady_clock;

// A local port that the server's kernel takes again within a minute meets TIME_WAIT here, a path of
// its own in the kernel: eight addresses give eight times 28,000 ports until then.
constexpr unsigned kAddresses = 8;

constexpr std::uint64_t kControlTag = 0;  ///< Of events; then the listeners, then connections.
constexpr std::uint64_t kFirstConnectionTag = 1 + kAddresses;

constexpr std::uint64_t kInFlightMax = 512;  ///< What the accept queues hold.
constexpr std::size_t kLineBytesMax = 1'000;

}  // namespace

ConnectLoad::ConnectLoad(ConnectOptions options, Target target, EdgePoll poll)
    : options_(std::move(options)), target_(std::move(target)), poll_(std::move(poll)) {}

Outcome<ConnectLoad> ConnectLoad::open(ConnectOptions options) {
  if (options.order == 0 || options.in_flight == 0 || options.in_flight > kInFlightMax) {
    return std::unexpected(
        fmt::format("a connect load with orders of {} and {} in flight: expected orders of at "
                    "least 1 and 1 to {} in flight",
                    options.order, options.in_flight, kInFlightMax));
  }
  auto target = resolve(options.host, options.port);
  if (!target) return std::unexpected(target.error());
  auto poll = EdgePoll::open();
  if (!poll) return std::unexpected(poll.error());
  ConnectLoad load(std::move(options), std::move(*target), std::move(*poll));
  if (auto listening = load.listen(); !listening) return std::unexpected(listening.error());
  const auto deadline = steady_clock::now() + load.options_.deadline;
  for (unsigned address = 0; address < kAddresses; ++address) {
    if (auto made = load.order(1, deadline); !made) return std::unexpected(made.error());
  }
  return load;
}

Outcome<void> ConnectLoad::listen() {
  for (unsigned address = 0; address < kAddresses; ++address) {
    auto listener = listen_on_loopback(1 + address);
    if (!listener) return std::unexpected(listener.error());
    if (auto added = poll_.add(listener->get(), 1 + address, EPOLLIN); !added) return added;
    listeners_.push_back(std::move(*listener));
  }
  auto control = begin_connect(target_);
  if (!control) return std::unexpected(control.error());
  control_ = std::move(*control);
  // The order that waits for the connection is sent when it is there.
  return poll_.add(control_.get(), kControlTag);
}

Outcome<std::chrono::nanoseconds> ConnectLoad::run(std::uint64_t operations) {
  const auto begin = steady_clock::now();
  for (std::uint64_t made = 0; made < operations; made += ordered_) {
    const std::uint64_t count = std::min(options_.order, operations - made);
    if (auto done = order(count, begin + options_.deadline); !done) {
      return std::unexpected(done.error());
    }
  }
  return steady_clock::now() - begin;
}

Outcome<Work> ConnectLoad::run_for(std::chrono::nanoseconds duration) {
  const auto begin = steady_clock::now();
  Work work;
  do {
    if (auto done = order(options_.order, begin + duration + options_.deadline); !done) {
      return std::unexpected(done.error());
    }
    work.operations += ordered_;
    work.wall = steady_clock::now() - begin;
  } while (work.wall < duration);
  return work;
}

Outcome<void> ConnectLoad::order(std::uint64_t count, Time deadline) {
  ordered_ = count;
  accepted_ = answered_ = ended_ = 0;
  done_ = false;
  ++orders_;
  if (auto sent = send_order(); !sent) return sent;
  while (!done_ || ended_ < ordered_) {
    const auto events = poll_.wait(deadline);
    if (!events) return std::unexpected(events.error());
    if (events->empty()) return std::unexpected(late());
    for (const epoll_event& event : *events) {
      if (auto served = serve(event.data.u64, event.events); !served) return served;
    }
  }
  return {};
}

Outcome<void> ConnectLoad::send_order() {
  const auto address = static_cast<std::size_t>(orders_ % kAddresses);
  const std::string line =
      fmt::format("127.0.0.{} {} {} {}\n", 1 + address, port_of(listeners_[address]), ordered_,
                  std::min(ordered_, options_.in_flight));
  const ssize_t count = send(control_.get(), line.data(), line.size(), MSG_NOSIGNAL);
  if (count < 0 && errno == EAGAIN && orders_ == 1) return {};  // Not connected yet.
  if (count != std::ssize(line)) {
    return std::unexpected(fmt::format("{}: send of an order: {}", target_.text,
                                       count < 0 ? errno_text(errno) : "a part was taken"));
  }
  return {};
}

Outcome<void> ConnectLoad::serve(std::uint64_t tag, std::uint32_t events) {
  if (tag != kControlTag && tag < kFirstConnectionTag) return accept_all(tag - 1);
  if (tag >= kFirstConnectionTag) return receive(tag - kFirstConnectionTag);
  if ((events & EPOLLERR) != 0) {
    return std::unexpected(fmt::format("control connection to {}: {}", target_.text,
                                       errno_text(pending_error(control_.get()))));
  }
  return (events & EPOLLIN) != 0 ? read_control() : Outcome<void>();
}

Outcome<void> ConnectLoad::accept_all(std::size_t listener) {
  while (true) {
    Fd fd(accept4(listeners_[listener].get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd && errno == EAGAIN) return {};
    if (!fd) {
      return std::unexpected(
          fmt::format("{}: accept4: {}", name(accepted_ + 1), errno_text(errno)));
    }
    ++accepted_;
    if (accepted_ > ordered_ || done_) {
      return std::unexpected(fmt::format("{}: one connection too many", name(accepted_)));
    }
    // What has no answer yet is open on the server's side for certain.
    if (accepted_ - answered_ > options_.in_flight) {
      return std::unexpected(fmt::format("{}: {} are open at a time, expected at most {}",
                                         name(accepted_), accepted_ - answered_,
                                         options_.in_flight));
    }
    if (auto begun = begin(std::move(fd)); !begun) return begun;
  }
}

Outcome<void> ConnectLoad::begin(Fd fd) {
  if (free_.empty()) {
    free_.push_back(connections_.size());
    connections_.emplace_back();
  }
  const std::size_t index = free_.back();
  free_.pop_back();
  connections_[index] = Connection{std::move(fd), accepted_, false};
  return poll_.add(connections_[index].fd.get(), kFirstConnectionTag + index, EPOLLIN);
}

Outcome<void> ConnectLoad::receive(std::size_t index) {
  Connection& connection = connections_[index];
  while (true) {
    std::array<std::byte, 16> buffer{};
    const ssize_t count = recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EAGAIN) return {};
    if (count < 0) {
      return std::unexpected(fmt::format("{}: expected {}, received {}", name(connection.number),
                                         connection.answered ? "the end" : "the byte 'c'",
                                         errno_text(errno)));
    }
    if (count > 0 || !connection.answered) {
      auto answered = answer(connection, static_cast<std::size_t>(count), buffer.front());
      if (!answered) return answered;
      continue;
    }
    connection.fd = Fd();
    free_.push_back(index);
    ++ended_;
    return {};
  }
}

Outcome<void> ConnectLoad::answer(Connection& connection, std::size_t count, std::byte letter) {
  const auto wrong = [&](const char* expected, const std::string& received) {
    return std::unexpected(
        fmt::format("{}: expected {}, received {}", name(connection.number), expected, received));
  };
  if (connection.answered) return wrong("the end", fmt::format("{} bytes more", count));
  if (count == 0) return wrong("the byte 'c'", "the end");
  if (count > 1) return wrong("the byte 'c'", fmt::format("{} bytes", count));
  if (letter != std::byte{'c'}) {
    return std::unexpected(
        fmt::format("{}, {}", name(connection.number),
                    wrong_byte({.offset = 0, .expected = std::byte{'c'}, .received = letter})));
  }
  if (send(connection.fd.get(), &letter, 1, MSG_NOSIGNAL) != 1 ||
      shutdown(connection.fd.get(), SHUT_WR) != 0) {
    return std::unexpected(
        fmt::format("{}: answer and FIN: {}", name(connection.number), errno_text(errno)));
  }
  connection.answered = true;
  ++answered_;
  return {};
}

Outcome<void> ConnectLoad::read_control() {
  while (true) {
    std::array<char, 256> buffer{};
    const ssize_t count = recv(control_.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EAGAIN) return {};
    if (count <= 0) {
      return std::unexpected(
          fmt::format("control connection to {}: expected 'done {}', received {}", target_.text,
                      ordered_, count == 0 ? "the end" : errno_text(errno)));
    }
    control_text_.append(buffer.data(), static_cast<std::size_t>(count));
    for (std::size_t end = 0; (end = control_text_.find('\n')) != std::string::npos;) {
      const std::string line = control_text_.substr(0, end);
      control_text_.erase(0, end + 1);
      if (auto right = check_line(line); !right) return right;
    }
    // Nothing may follow before the next order.
    if (done_ ? !control_text_.empty() : control_text_.size() > kLineBytesMax) {
      return check_line(control_text_);
    }
  }
}

Outcome<void> ConnectLoad::check_line(const std::string& line) {
  if (done_ || line != fmt::format("done {}", ordered_)) {
    return std::unexpected(fmt::format(
        "control connection to {}: expected {}, received '{}'", target_.text,
        done_ ? "nothing" : fmt::format("'done {}'", ordered_), line.substr(0, kLineBytesMax)));
  }
  done_ = true;
  // Each needed an answer before it could end, so it is accepted already.
  if (answered_ != ordered_) {
    return std::unexpected(
        fmt::format("control connection to {}: received '{}' after {} connections", target_.text,
                    line, answered_));
  }
  return {};
}

std::string ConnectLoad::name(std::uint64_t number) const {
  return fmt::format("{}, connection {} of an order of {}", target_.text, number, ordered_);
}

std::string ConnectLoad::late() const {
  return fmt::format(
      "{}: after {} ms {} of an order of {} connections were accepted, {} answered, {} closed by "
      "the server; {}",
      target_.text, options_.deadline.count(), accepted_, ordered_, answered_, ended_,
      done_ ? "it said done" : "it did not say done");
}

}  // namespace skysock::load
