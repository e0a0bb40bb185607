#include "core/sim/objects.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/base/bytes.hpp"

namespace skysock {
namespace {

constexpr std::uint64_t kEventCountMax = std::numeric_limits<std::uint64_t>::max() - 1;

struct Readiness {
  std::uint32_t operator()(std::monostate) const { return 0; }
  std::uint32_t operator()(const Spare&) const { return 0; }
  std::uint32_t operator()(const EpollSet&) const { return 0; }
  std::uint32_t operator()(const File&) const { return std::uint32_t{EPOLLIN} | EPOLLOUT; }
  std::uint32_t operator()(const Stream& end) const { return end->readiness(); }
  std::uint32_t operator()(const Datagrams& socket) const { return socket->readiness(); }

  std::uint32_t operator()(const Listener& listener) const {
    if (listener.shut) return EPOLLOUT | EPOLLHUP;
    return listener.waiting.empty() ? 0 : std::uint32_t{EPOLLIN};
  }
  std::uint32_t operator()(const PipeReader& end) const {
    const std::uint32_t in = end.pipe->bytes.empty() ? 0 : std::uint32_t{EPOLLIN};
    return in | (end.pipe->writer_open ? 0 : std::uint32_t{EPOLLHUP});
  }
  std::uint32_t operator()(const PipeWriter& end) const {
    return (end.pipe->is_writable() ? std::uint32_t{EPOLLOUT} : 0) |
           (end.pipe->reader_open ? 0 : std::uint32_t{EPOLLERR});
  }
  std::uint32_t operator()(const EventCounter& event) const {
    return (event.count > 0 ? std::uint32_t{EPOLLIN} : 0) |
           (event.count < kEventCountMax ? std::uint32_t{EPOLLOUT} : 0);
  }
};

struct EdgesOf {
  Edges* operator()(Stream& end) const { return &end->edges(); }
  Edges* operator()(Datagrams& socket) const { return &socket->edges(); }
  Edges* operator()(Listener& listener) const { return &listener.edges; }
  Edges* operator()(PipeReader& end) const { return &end.pipe->reader_edges; }
  Edges* operator()(PipeWriter& end) const { return &end.pipe->writer_edges; }
  Edges* operator()(EventCounter& event) const { return &event.edges; }
  Edges* operator()(auto&) const { return nullptr; }
};

}  // namespace

Result<std::size_t> Pipe::read(std::span<std::byte> into) {
  if (into.empty()) return 0;
  if (bytes.empty() && writer_open) return failure(std::errc::resource_unavailable_try_again);
  const bool was_writable = is_writable();
  const std::size_t count = bytes.pop(into);
  if (!was_writable && is_writable()) writer_edges.writable();
  return count;
}

Result<std::size_t> Pipe::write(std::span<const std::byte> from) {
  if (from.empty()) return 0;
  if (!reader_open) return failure(std::errc::broken_pipe);
  const std::size_t count = std::min(from.size(), room());
  const bool split = count < from.size();
  if (split && (count == 0 || from.size() <= kAtomicBytes)) {
    return failure(std::errc::resource_unavailable_try_again);
  }
  bytes.push(from.first(count));
  reader_edges.readable();
  return count;
}

void Pipe::close_reader() {
  reader_open = false;
  writer_edges.any();
}

void Pipe::close_writer() {
  writer_open = false;
  reader_edges.any();
}

Result<std::size_t> EventCounter::read(std::span<std::byte> into) {
  if (into.size() < kBytes) return failure(std::errc::invalid_argument);
  if (count == 0) return failure(std::errc::resource_unavailable_try_again);
  put(into, std::exchange(count, 0));
  edges.writable();
  return kBytes;
}

Result<std::size_t> EventCounter::write(std::span<const std::byte> from) {
  if (from.size() < kBytes) return failure(std::errc::invalid_argument);
  const auto more = get<std::uint64_t>(from, 0);
  if (more > kEventCountMax) return failure(std::errc::invalid_argument);
  if (more > kEventCountMax - count) return failure(std::errc::resource_unavailable_try_again);
  signal(more);
  return kBytes;
}

void EventCounter::signal(std::uint64_t more) {
  count += std::min(more, kEventCountMax - count);
  edges.readable();
}

std::size_t File::read(std::span<std::byte> into) {
  const std::size_t bytes = std::min(into.size(), contents.size() - at);
  std::copy_n(contents.begin() + static_cast<std::ptrdiff_t>(at), bytes, into.begin());
  at += bytes;
  return bytes;
}

std::size_t File::write(std::span<const std::byte> from) {
  contents.resize(std::max(contents.size(), at + from.size()));
  std::ranges::copy(from, contents.begin() + static_cast<std::ptrdiff_t>(at));
  at += from.size();
  return from.size();
}

std::uint32_t EpollSet::Interest::take(const Edges& edges, std::uint32_t ready) {
  if (!enabled) return 0;
  const std::uint32_t watched = mask | EPOLLERR | EPOLLHUP;
  if ((mask & EPOLLET) != 0) {
    const bool woken = edges.woken_since(std::exchange(seen, edges), mask);
    if (!std::exchange(fresh, false) && !woken) return 0;
  }
  const std::uint32_t events = ready & watched;
  if (events != 0 && (mask & EPOLLONESHOT) != 0) enabled = false;
  return events;
}

std::vector<EpollSet::Interest>::iterator EpollSet::find(int fd) {
  return std::ranges::find(interests, fd, &Interest::fd);
}

std::uint32_t readiness(const Object& object) { return std::visit(Readiness{}, object); }

Edges* edges_of(Object& object) { return std::visit(EdgesOf{}, object); }

}  // namespace skysock
