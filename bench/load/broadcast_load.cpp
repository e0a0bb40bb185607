#include "bench/load/broadcast_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "bench/load/connect_group.hpp"
#include "bench/load/pattern.hpp"
#include "bench/load/wrong_byte.hpp"

namespace skysock::load {
namespace {

using std::chrono::steady_clock;

static_assert(kBroadcastBytesMax <= kPatternPieceMax);
constexpr std::size_t kBufferBytes = 65'536;

}  // namespace

BroadcastLoad::BroadcastLoad(BroadcastOptions options, Target target, EdgePoll poll)
    : options_(std::move(options)),
      target_(std::move(target)),
      poll_(std::move(poll)),
      members_(options_.subscribers + 1),
      buffer_(kBufferBytes) {}

Outcome<BroadcastLoad> BroadcastLoad::open(BroadcastOptions options) {
  const bool sized = options.subscribers > 0 && options.subscribers <= kSubscribersMax &&
                     options.bytes > 0 && options.bytes <= kBroadcastBytesMax;
  if (!sized || options.probe_period.count() < 0) {
    return std::unexpected(fmt::format(
        "a broadcast load of {} subscribers, {} bytes and a probe every {} ms: expected 1 to {} "
        "subscribers, 1 to {} bytes and no negative time",
        options.subscribers, options.bytes, options.probe_period.count(), kSubscribersMax,
        kBroadcastBytesMax));
  }
  const auto deadline = steady_clock::now() + options.deadline;
  auto target = resolve(options.host, options.port);
  if (!target) return std::unexpected(target.error());
  auto poll = EdgePoll::open();
  if (!poll) return std::unexpected(poll.error());
  BroadcastLoad load(std::move(options), std::move(*target), std::move(*poll));
  for (std::size_t first = 0; first < load.publisher(); first += kConnectGroup) {
    const std::size_t count = std::min(kConnectGroup, load.publisher() - first);
    if (auto done = load.join(first, count, deadline); !done) return std::unexpected(done.error());
  }
  if (auto done = load.join(load.publisher(), 1, deadline); !done) {
    return std::unexpected(done.error());
  }
  if (auto first = load.drive(1, kNever, deadline, kNever); !first)
    return std::unexpected(first.error());
  return load;
}

Outcome<void> BroadcastLoad::join(std::size_t first, std::size_t count, Time deadline) {
  for (std::size_t index = first; index < first + count; ++index) {
    if (auto begun = begin(index, index == publisher() ? 'p' : 's'); !begun) return begun;
  }
  while (ungreeted_ > 0) {
    if (auto done = step(deadline, deadline); !done) return done;
  }
  return {};
}

Outcome<void> BroadcastLoad::begin(std::size_t index, char letter) {
  Member& member = members_[index];
  member = Member{.letter = letter, .begun = steady_clock::now()};
  auto fd = begin_connect(target_);
  if (!fd) return std::unexpected(fmt::format("{}: {}", name(index), fd.error()));
  member.fd = std::move(*fd);
  ++ungreeted_;
  // On loopback the kernel has usually connected already, and a round of epoll is saved.
  if (auto said = say(index); !said) return said;
  // What only listens has no need to know of room to write.
  const bool writes = letter == 'p' || !member.said;
  return poll_.add(member.fd.get(), index, writes ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

Outcome<void> BroadcastLoad::begin_probe() {
  const auto places = std::span(members_).subspan(publisher() + 1);
  const auto place = std::ranges::find_if(places, [](const Member& member) { return !member.fd; });
  const std::size_t index = publisher() + 1 + static_cast<std::size_t>(place - places.begin());
  if (place == places.end()) members_.emplace_back();
  return begin(index, 'a');
}

Outcome<std::chrono::nanoseconds> BroadcastLoad::run(std::uint64_t operations) {
  const auto begin = steady_clock::now();
  const std::uint64_t messages =
      operations / options_.subscribers + (operations % options_.subscribers > 0 ? 1 : 0);
  if (auto done = drive(messages, kNever, begin + options_.deadline, kNever); !done) {
    return std::unexpected(done.error());
  }
  return steady_clock::now() - begin;
}

Outcome<Work> BroadcastLoad::run_for(std::chrono::nanoseconds duration) {
  const auto begin = steady_clock::now();
  const auto last_begin = begin + duration;
  const bool probing = options_.probe_period.count() > 0;
  if (auto done =
          drive(std::numeric_limits<std::uint64_t>::max(), last_begin,
                last_begin + options_.deadline, probing ? begin + options_.probe_period : kNever);
      !done) {
    return std::unexpected(done.error());
  }
  return Work{messages_done_ * options_.subscribers, steady_clock::now() - begin};
}

Outcome<void> BroadcastLoad::drive(std::uint64_t messages, Time last_begin, Time deadline,
                                   Time next_probe) {
  messages_left_ = messages;
  last_begin_ = last_begin;
  ending_ = false;
  messages_done_ = 0;
  probe_latency_ = {};
  if (messages_left_ == 0) return {};
  if (auto begun = begin_message(); !begun) return begun;
  while (waiting_ > 0 || ungreeted_ > 0) {
    const auto until = waiting_ > 0 ? std::min(deadline, next_probe) : deadline;
    if (auto done = step(until, deadline); !done) return done;
    const auto now = steady_clock::now();
    if (waiting_ == 0 || now < next_probe) continue;
    if (auto begun = begin_probe(); !begun) return begun;
    next_probe = std::max(next_probe + options_.probe_period, now);
  }
  return {};
}

Outcome<void> BroadcastLoad::step(Time until, Time deadline) {
  const auto events = poll_.wait(until);
  if (!events) return std::unexpected(events.error());
  const auto now = steady_clock::now();
  if (events->empty() && now >= deadline) return std::unexpected(late());
  ending_ = now >= last_begin_;
  for (const epoll_event& event : *events) {
    if (auto served = serve(event.data.u64, event.events); !served) return served;
  }
  return {};
}

Outcome<void> BroadcastLoad::serve(std::size_t index, std::uint32_t events) {
  const Member& member = members_[index];
  if ((events & EPOLLERR) != 0) {
    return std::unexpected(fmt::format("{} to {}: {}", name(index), target_.text,
                                       errno_text(pending_error(member.fd.get()))));
  }
  if ((events & EPOLLOUT) != 0) {
    const bool publishing = member.letter == 'p' && member.greeted;
    if (auto sent = publishing ? publish() : say(index); !sent) return sent;
  }
  return (events & EPOLLIN) != 0 ? receive(index) : Outcome<void>();
}

Outcome<void> BroadcastLoad::say(std::size_t index) {
  Member& member = members_[index];
  if (member.said) return {};
  // One byte always fits the buffer of a connected socket.
  if (send(member.fd.get(), &member.letter, 1, MSG_NOSIGNAL) != 1) {
    if (errno == EAGAIN) return {};  // Not connected yet: EPOLLOUT will come.
    return std::unexpected(
        fmt::format("{} to {}: send: {}", name(index), target_.text, errno_text(errno)));
  }
  member.said = true;
  return {};
}

Outcome<void> BroadcastLoad::receive(std::size_t index) {
  while (members_[index].fd) {
    const ssize_t count = recv(members_[index].fd.get(), buffer_.data(), buffer_.size(), 0);
    if (count < 0) {
      if (errno == EAGAIN) return {};
      return std::unexpected(
          fmt::format("{} to {}: recv: {}", name(index), target_.text, errno_text(errno)));
    }
    if (count == 0) return std::unexpected(closed(index));
    const auto size = static_cast<std::size_t>(count);
    if (auto taken = take(index, std::span(buffer_).first(size)); !taken) return taken;
    // A short read has emptied the socket buffer; later bytes make a new edge. Source: epoll(7).
    if (size < buffer_.size()) return {};
  }
  return {};
}

Outcome<void> BroadcastLoad::take(std::size_t index, std::span<const std::byte> bytes) {
  const Member& member = members_[index];
  if (!member.greeted) {
    if (member.letter == 'a' && bytes.size() > 1) {
      return std::unexpected(
          fmt::format("{}: expected 1 byte back, received {}", name(index), bytes.size()));
    }
    if (auto greeted = greet(index, bytes.front()); !greeted) return greeted;
    bytes = bytes.subspan(1);
  }
  if (bytes.empty()) return {};
  if (member.letter == 's') return take_copy(index, bytes);
  return std::unexpected(
      fmt::format("{}: expected nothing more, received {} bytes", name(index), bytes.size()));
}

Outcome<void> BroadcastLoad::greet(std::size_t index, std::byte letter) {
  Member& member = members_[index];
  const auto said = static_cast<std::byte>(member.letter);
  if (letter != said) {
    return std::unexpected(
        fmt::format("{}, first {}", name(index),
                    wrong_byte({.offset = 0, .expected = said, .received = letter})));
  }
  member.greeted = true;
  --ungreeted_;
  if (member.letter == 'a') {
    probe_latency_.record(steady_clock::now() - member.begun);
    member.fd = Fd();  // Nothing is unread, so this sends FIN, not RST.
  }
  return {};
}

Outcome<void> BroadcastLoad::take_copy(std::size_t index, std::span<const std::byte> bytes) {
  Member& member = members_[index];
  if (const auto wrong = find_mismatch({options_.seed, 0, message_}, member.received, bytes);
      wrong && wrong->offset < published_) {
    return std::unexpected(
        fmt::format("{}, message {}, {}", name(index), message_, wrong_byte(*wrong)));
  }
  if (bytes.size() > published_ - member.received) {
    return std::unexpected(fmt::format("{}, message {}: {} bytes came of {} published", name(index),
                                       message_, member.received + bytes.size(), published_));
  }
  member.received += bytes.size();
  if (member.received < options_.bytes || --waiting_ > 0) return {};
  if (latencies_ != nullptr) latencies_->record(steady_clock::now() - message_begun_);
  ++messages_done_;
  return ending_ || messages_left_ == 0 ? Outcome<void>() : begin_message();
}

Outcome<void> BroadcastLoad::begin_message() {
  --messages_left_;
  ++message_;
  published_ = 0;
  waiting_ = publisher();
  for (Member& subscriber : std::span(members_).first(publisher())) subscriber.received = 0;
  message_begun_ = steady_clock::now();
  return publish();
}

Outcome<void> BroadcastLoad::publish() {
  while (waiting_ > 0 && published_ < options_.bytes) {
    const auto part =
        pattern_bytes({options_.seed, 0, message_}, published_, options_.bytes - published_);
    const ssize_t count =
        send(members_[publisher()].fd.get(), part.data(), part.size(), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EAGAIN) return {};
      return std::unexpected(
          fmt::format("{} to {}: send: {}", name(publisher()), target_.text, errno_text(errno)));
    }
    published_ += static_cast<std::size_t>(count);
  }
  return {};
}

std::string BroadcastLoad::name(std::size_t index) const {
  if (index < publisher()) return fmt::format("subscriber {}", index);
  return index == publisher() ? "publisher" : "accept probe";
}

std::string BroadcastLoad::closed(std::size_t index) const {
  const Member& member = members_[index];
  if (!member.greeted) {
    return fmt::format("{}: the server closed before the first byte", name(index));
  }
  if (member.letter != 's') return fmt::format("{}: the server closed", name(index));
  return fmt::format("{}, message {}: the server closed after {} of {} bytes", name(index),
                     message_, member.received, options_.bytes);
}

std::string BroadcastLoad::late() const {
  std::string text = fmt::format("{}: after {} ms", target_.text, options_.deadline.count());
  const auto all = std::span(members_);
  const auto unfinished = [&](const Member& member) {
    return member.fd && (!member.greeted || (waiting_ > 0 && member.letter == 's' &&
                                             member.received < options_.bytes));
  };
  const auto first = std::ranges::find_if(all, unfinished);
  if (waiting_ > 0) {
    text +=
        fmt::format(" {} of {} subscribers wait for message {},", waiting_, publisher(), message_);
  }
  if (ungreeted_ > 0) text += fmt::format(" {} connections wait for their first byte,", ungreeted_);
  return text + fmt::format(" the first one: {} ({} of {} bytes)",
                            name(static_cast<std::size_t>(first - all.begin())), first->received,
                            options_.bytes);
}

}  // namespace skysock::load
