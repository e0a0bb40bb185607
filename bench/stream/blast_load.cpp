#include "bench/stream/blast_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "bench/load/connect_group.hpp"
#include "bench/load/wrong_byte.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

using load::Outcome;
using std::chrono::steady_clock;

constexpr std::size_t kBufferBytes = kStreamMessageBytesMax;
constexpr int kReceiveBufferBytes = 131'072;

// After so many rounds that all read something, readers without an event are tried, too: a few that
// always have something must not keep the others waiting.
constexpr unsigned kRoundsBetweenTries = 16;

}  // namespace

BlastLoad::BlastLoad(BlastOptions options, load::Target target, load::EdgePoll poll)
    : options_(std::move(options)),
      target_(std::move(target)),
      poll_(std::move(poll)),
      readers_(options_.fast + options_.slow),
      buffer_(kBufferBytes) {}

Outcome<BlastLoad> BlastLoad::open(BlastOptions options) {
  const bool paced = options.slow_bytes > 0 && options.slow_period.count() > 0;
  if (options.fast + options.slow == 0 || (options.slow > 0 && !paced)) {
    return std::unexpected(fmt::format(
        "a blast load of {} fast readers and {} slow ones, {} bytes per {} ms: expected "
        "at least one reader, one byte and one ms",
        options.fast, options.slow, options.slow_bytes, options.slow_period.count()));
  }
  const auto deadline = steady_clock::now() + options.deadline;
  auto target = load::resolve(options.host, options.port);
  if (!target) return std::unexpected(target.error());
  auto poll = load::EdgePoll::open();
  if (!poll) return std::unexpected(poll.error());
  BlastLoad load(std::move(options), std::move(*target), std::move(*poll));
  for (std::size_t first = 0; first < load.readers_.size(); first += load::kConnectGroup) {
    const std::size_t count = std::min(load::kConnectGroup, load.readers_.size() - first);
    if (auto done = load.connect_group(first, count, deadline); !done) {
      return std::unexpected(done.error());
    }
  }
  return load;
}

Outcome<void> BlastLoad::connect_group(std::size_t first, std::size_t count, Time deadline) {
  const auto group = std::span(readers_).subspan(first, count);
  for (std::size_t index = first; index < first + count; ++index) {
    auto fd = load::begin_connect(target_);
    if (!fd) return std::unexpected(fmt::format("{}: {}", name(index), fd.error()));
    setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
    readers_[index].fd = std::move(*fd);
    if (auto added = poll_.add(readers_[index].fd.get(), index, EPOLLIN); !added) return added;
  }
  const auto waits = [](const Reader& reader) { return reader.received == 0; };
  while (std::ranges::any_of(group, waits)) {
    if (steady_clock::now() >= deadline) {
      const auto index =
          first + static_cast<std::size_t>(std::ranges::find_if(group, waits) - group.begin());
      return std::unexpected(fmt::format("{} of {}: no byte within {} ms of connecting",
                                         name(index), target_.text, options_.deadline.count()));
    }
    if (auto waited = wait(deadline); !waited) return waited;
    for (std::size_t index = first; index < first + count; ++index) {
      if (!waits(readers_[index]) || !readers_[index].readable) continue;
      if (auto got = receive(index, kOperationBytes); !got) return std::unexpected(got.error());
    }
  }
  return {};
}

Outcome<std::chrono::nanoseconds> BlastLoad::run(std::uint64_t operations) {
  const auto begin = steady_clock::now();
  const std::uint64_t bytes = operations * kOperationBytes;
  if (auto done = drive(bytes, bytes, begin, begin + options_.deadline); !done) {
    return std::unexpected(done.error());
  }
  return steady_clock::now() - begin;
}

Outcome<load::Work> BlastLoad::run_for(std::chrono::nanoseconds duration) {
  const auto begin = steady_clock::now();
  const auto end = begin + duration;
  if (auto done = drive(kOperationBytes, std::numeric_limits<std::uint64_t>::max(), end,
                        end + options_.deadline);
      !done) {
    return std::unexpected(done.error());
  }
  return load::Work{received_ / kOperationBytes, steady_clock::now() - begin};
}

Outcome<void> BlastLoad::drive(std::uint64_t bytes_min, std::uint64_t bytes_max, Time end,
                               Time deadline) {
  received_ = 0;
  auto now = steady_clock::now();
  for (std::size_t at = 0; at < options_.slow; ++at) {
    readers_[options_.fast + at].next_read =
        now + std::chrono::nanoseconds(options_.slow_period) * at / options_.slow;
  }
  for (unsigned rounds = 0; received_ < bytes_max && (now < end || received_ < bytes_min);
       ++rounds) {
    if (now >= deadline) {
      return std::unexpected(fmt::format("{}: {} bytes came before the deadline, expected {}",
                                         target_.text, received_, bytes_min));
    }
    const auto next_slow = read_slow(now, bytes_max);
    if (!next_slow) return std::unexpected(next_slow.error());
    const auto progress = read_fast(bytes_max);
    if (!progress) return std::unexpected(progress.error());
    if (!*progress && received_ < bytes_max) {
      const auto until = std::min(*next_slow, received_ < bytes_min ? deadline : end);
      if (auto waited = wait(until); !waited) return waited;
    } else if (rounds % kRoundsBetweenTries == 0) {
      for (Reader& reader : readers_) reader.readable = true;
    }
    const auto before = std::exchange(now, steady_clock::now());
    read_time_ += now - before;
    if (auto heard = check_silence(); !heard) return heard;
  }
  return {};
}

Outcome<bool> BlastLoad::read_fast(std::uint64_t bytes_max) {
  bool progress = false;
  for (std::size_t index = 0; index < options_.fast && received_ < bytes_max; ++index) {
    if (!readers_[index].readable) continue;
    const auto got = receive(index, bytes_max - received_);
    if (!got) return std::unexpected(got.error());
    progress |= *got > 0;
  }
  return progress;
}

Outcome<BlastLoad::Time> BlastLoad::read_slow(Time now, std::uint64_t bytes_max) {
  Time next = Time::max();
  for (std::size_t index = options_.fast; index < readers_.size(); ++index) {
    Reader& reader = readers_[index];
    if (now >= reader.next_read) {
      reader.next_read += options_.slow_period;
      // A turn that was missed is not made up for.
      if (reader.next_read < now) reader.next_read = now + options_.slow_period;
      for (std::uint64_t left = std::min<std::uint64_t>(options_.slow_bytes, bytes_max - received_);
           left > 0;) {
        const auto got = receive(index, left);
        if (!got) return std::unexpected(got.error());
        if (*got == 0) break;
        left -= *got;
      }
    }
    next = std::min(next, reader.next_read);
  }
  return next;
}

Outcome<void> BlastLoad::wait(Time until) {
  const auto events = poll_.wait(until);
  if (!events) return std::unexpected(events.error());
  for (const epoll_event& event : *events) readers_[event.data.u64].readable = true;
  return {};
}

Outcome<std::size_t> BlastLoad::receive(std::size_t index, std::uint64_t bytes_max) {
  Reader& reader = readers_[index];
  const auto room = std::min<std::uint64_t>(bytes_max, buffer_.size());
  const ssize_t count = recv(reader.fd.get(), buffer_.data(), room, 0);
  if (count < 0 && errno == EAGAIN) {
    reader.readable = false;
    return 0;
  }
  if (count <= 0) {
    return std::unexpected(fmt::format(
        "{} of {}: expected byte {}, received {}", name(index), target_.text, reader.received,
        count == 0 ? std::string("the end of the stream") : load::errno_text(errno)));
  }
  const auto bytes = std::span(buffer_).first(static_cast<std::size_t>(count));
  const auto right = stream_bytes(reader.received, bytes.size());
  if (std::memcmp(right.data(), bytes.data(), bytes.size()) != 0) {
    const auto [want, got] = std::ranges::mismatch(right, bytes);
    const auto at = static_cast<std::uint64_t>(want - right.begin());
    return std::unexpected(fmt::format("{} of {}, {}", name(index), target_.text,
                                       load::wrong_byte({reader.received + at, *want, *got})));
  }
  reader.received += bytes.size();
  reader.last_byte = read_time_;
  received_ += bytes.size();
  return bytes.size();
}

Outcome<void> BlastLoad::check_silence() const {
  for (std::size_t index = 0; index < readers_.size(); ++index) {
    if (read_time_ - readers_[index].last_byte <= options_.deadline) continue;
    return std::unexpected(fmt::format("{} of {}: no byte for {} ms after {} bytes", name(index),
                                       target_.text, options_.deadline.count(),
                                       readers_[index].received));
  }
  return {};
}

std::uint64_t BlastLoad::bytes_of(std::size_t first, std::size_t count) const {
  std::uint64_t bytes = 0;
  for (const Reader& reader : std::span(readers_).subspan(first, count)) bytes += reader.received;
  return bytes;
}

std::string BlastLoad::name(std::size_t index) const {
  return index < options_.fast ? fmt::format("fast reader {}", index)
                               : fmt::format("slow reader {}", index - options_.fast);
}

}  // namespace skysock::bench
