#include "bench/load/udp_echo_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "bench/load/pattern.hpp"
#include "bench/load/wrong_byte.hpp"

namespace skysock::load {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kNumberBytes = sizeof(std::uint64_t);
constexpr std::uint64_t kJudgedFrom = 100;  ///< Of fewer datagrams 1 % is less than one.
constexpr std::size_t kLostKept = 64;       ///< Per socket; answers to older ones are duplicates.

std::uint64_t number_in(std::span<const std::byte> datagram) {
  std::uint64_t number = 0;
  std::memcpy(&number, datagram.data(), kNumberBytes);
  return number;
}

}  // namespace

UdpEchoLoad::UdpEchoLoad(UdpEchoOptions options, Target target, EdgePoll poll)
    : options_(std::move(options)),
      target_(std::move(target)),
      poll_(std::move(poll)),
      sockets_(options_.sockets) {}

Outcome<UdpEchoLoad> UdpEchoLoad::open(UdpEchoOptions options) {
  if (options.sockets == 0 || options.sockets > kUdpSocketsMax ||
      options.bytes < kDatagramBytesMin || options.bytes > kDatagramBytesMax) {
    return std::unexpected(fmt::format(
        "a UDP echo load of {} sockets and {} bytes: expected 1 to {} sockets and {} "
        "to {} bytes",
        options.sockets, options.bytes, kUdpSocketsMax, kDatagramBytesMin, kDatagramBytesMax));
  }
  auto target = resolve(options.host, options.port);
  if (!target) return std::unexpected(target.error());
  auto poll = EdgePoll::open();
  if (!poll) return std::unexpected(poll.error());
  UdpEchoLoad load(std::move(options), std::move(*target), std::move(*poll));
  for (std::size_t index = 0; index < load.sockets_.size(); ++index) {
    if (auto done = load.connect(index); !done) return std::unexpected(done.error());
  }
  if (auto first = load.run(load.sockets_.size()); !first) return std::unexpected(first.error());
  return load;
}

Outcome<void> UdpEchoLoad::connect(std::size_t index) {
  Fd fd(socket(target_.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto* address = reinterpret_cast<const sockaddr*>(&target_.address);
  if (!fd || ::connect(fd.get(), address, target_.length) != 0) {
    return std::unexpected(
        fmt::format("socket {} to {}: {}", index, target_.text, errno_text(errno)));
  }
  sockets_[index].fd = std::move(fd);
  return poll_.add(sockets_[index].fd.get(), index, EPOLLIN);
}

Outcome<std::chrono::nanoseconds> UdpEchoLoad::run(std::uint64_t operations) {
  const auto begin = steady_clock::now();
  const std::uint64_t share = operations / sockets_.size();
  const std::uint64_t rest = operations % sockets_.size();
  for (std::size_t index = 0; index < sockets_.size(); ++index) {
    sockets_[index].left = share + (index < rest ? 1 : 0);
  }
  if (auto done = drive(kNever, begin + options_.deadline); !done) {
    return std::unexpected(done.error());
  }
  return steady_clock::now() - begin;
}

Outcome<Work> UdpEchoLoad::run_for(std::chrono::nanoseconds duration) {
  const auto begin = steady_clock::now();
  for (Socket& socket : sockets_) socket.left = std::numeric_limits<std::uint64_t>::max();
  const auto last_send = begin + duration;
  if (auto done = drive(last_send, last_send + options_.deadline); !done) {
    return std::unexpected(done.error());
  }
  return Work{answered_, steady_clock::now() - begin};
}

Outcome<void> UdpEchoLoad::drive(Time last_send, Time deadline) {
  last_send_ = last_send;
  ending_ = false;
  sent_ = answered_ = unfinished_ = 0;
  troubles_ = {};
  for (std::size_t index = 0; index < sockets_.size(); ++index) {
    if (sockets_[index].left == 0) continue;
    ++unfinished_;
    if (auto sent = send(index); !sent) return sent;
  }
  // A loss is noticed up to a tenth of the timeout late: not all sockets are looked at every time.
  const auto look_every = std::max<std::chrono::nanoseconds>(options_.answer_timeout / 10,
                                                             std::chrono::milliseconds(1));
  auto next_look = steady_clock::now() + look_every;
  while (unfinished_ > 0) {
    const auto events = poll_.wait(std::min(deadline, next_look));
    if (!events) return std::unexpected(events.error());
    const auto now = steady_clock::now();
    if (events->empty() && now >= deadline) return std::unexpected(late());
    ending_ = now >= last_send_;
    for (const epoll_event& event : *events) {
      if (auto served = serve(event.data.u64, event.events); !served) return served;
    }
    if (now < next_look) continue;
    if (auto replaced = replace_lost(now); !replaced) return replaced;
    next_look = now + look_every;
  }
  return judge(troubles_.lost, "lost");
}

Outcome<void> UdpEchoLoad::serve(std::size_t index, std::uint32_t events) {
  if ((events & EPOLLERR) != 0) {
    const int error = pending_error(sockets_[index].fd.get());
    return std::unexpected(
        fmt::format("socket {} to {}: {}", index, target_.text, errno_text(error)));
  }
  return (events & EPOLLIN) != 0 ? receive(index) : Outcome<void>();
}

Outcome<void> UdpEchoLoad::send(std::size_t index) {
  Socket& socket = sockets_[index];
  std::array<std::byte, kDatagramBytesMax> buffer;  // NOLINT: only what is written is sent.
  const auto datagram = std::span(buffer).first(options_.bytes);
  const std::uint64_t number = ++socket.number;
  std::memcpy(datagram.data(), &number, kNumberBytes);
  fill_pattern({options_.seed, index, number}, kNumberBytes, datagram.subspan(kNumberBytes));
  socket.sent_at = steady_clock::now();
  // With one datagram in flight the send buffer is never full: EAGAIN is an error, too.
  if (::send(socket.fd.get(), datagram.data(), datagram.size(), 0) != std::ssize(datagram)) {
    return std::unexpected(fmt::format("socket {} to {}, datagram {}: send: {}", index,
                                       target_.text, number, errno_text(errno)));
  }
  ++sent_;
  return {};
}

Outcome<void> UdpEchoLoad::receive(std::size_t index) {
  Socket& socket = sockets_[index];
  while (true) {
    const std::uint64_t answered_before = answered_;
    const ssize_t size = recv(socket.fd.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
    if (size < 0) {
      if (errno == EAGAIN) return {};
      return std::unexpected(
          fmt::format("socket {} to {}: recv: {}", index, target_.text, errno_text(errno)));
    }
    if (auto right = check(index, static_cast<std::size_t>(size)); !right) return right;
    if (auto counted = count_answer(index); !counted) return counted;
    // What else is there is no answer that anything waits for; it is read with the next one.
    if (answered_ != answered_before && socket.left > 0) return {};
  }
}

Outcome<void> UdpEchoLoad::check(std::size_t index, std::size_t size) const {
  const Socket& socket = sockets_[index];
  if (size != options_.bytes) {
    return std::unexpected(fmt::format("socket {}, datagram {}: expected {} bytes, received {}",
                                       index, socket.number, options_.bytes, size));
  }
  const std::uint64_t number = number_in(buffer_);
  if (number == 0 || number > socket.number) {
    return std::unexpected(
        fmt::format("socket {}, datagram {}: expected its number or an earlier one in bytes 0 to "
                    "7, received {}",
                    index, socket.number, number));
  }
  const auto body = std::span(buffer_).subspan(kNumberBytes, size - kNumberBytes);
  if (auto wrong = find_mismatch({options_.seed, index, number}, kNumberBytes, body)) {
    return std::unexpected(
        fmt::format("socket {}, datagram {}, {}", index, number, wrong_byte(*wrong)));
  }
  return {};
}

Outcome<void> UdpEchoLoad::count_answer(std::size_t index) {
  Socket& socket = sockets_[index];
  const std::uint64_t number = number_in(buffer_);
  if (const auto found = std::ranges::find(socket.lost, number); found != socket.lost.end()) {
    socket.lost.erase(found);
    ++troubles_.late;
    return {};
  }
  if (number != socket.number || socket.left == 0) {
    ++troubles_.duplicates;
    return judge(troubles_.duplicates, "answered twice");
  }
  if (latencies_ != nullptr) latencies_->record(steady_clock::now() - socket.sent_at);
  ++answered_;
  socket.left = ending_ ? 0 : socket.left - 1;
  if (socket.left > 0) return send(index);
  --unfinished_;
  return {};
}

Outcome<void> UdpEchoLoad::replace_lost(Time now) {
  for (std::size_t index = 0; index < sockets_.size(); ++index) {
    Socket& socket = sockets_[index];
    const auto overdue = [&] {
      return socket.left > 0 && now - socket.sent_at >= options_.answer_timeout;
    };
    if (!overdue()) continue;
    // The answer may be there: it was this load that had no time.
    if (auto received = receive(index); !received) return received;
    if (!overdue()) continue;
    ++troubles_.lost;
    if (auto few = judge(troubles_.lost, "lost"); !few) return few;
    if (socket.lost.size() == kLostKept) socket.lost.erase(socket.lost.begin());
    socket.lost.push_back(socket.number);
    if (ending_) {
      socket.left = 0;
      --unfinished_;
    } else if (auto sent = send(index); !sent) {
      return sent;
    }
  }
  return {};
}

Outcome<void> UdpEchoLoad::judge(std::uint64_t count, const char* what) const {
  if (sent_ < kJudgedFrom || count * 100 <= sent_) return {};
  return std::unexpected(
      fmt::format("{}: {} of {} datagrams were {} (timeout {} ms): expected at "
                  "most 1 %",
                  target_.text, count, sent_, what, options_.answer_timeout.count()));
}

std::string UdpEchoLoad::late() const {
  return fmt::format("{}: {} of {} sockets still wait for an answer after {} ms; {} datagrams lost",
                     target_.text, unfinished_, sockets_.size(), options_.deadline.count(),
                     troubles_.lost);
}

}  // namespace skysock::load
