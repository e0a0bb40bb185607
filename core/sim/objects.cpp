#include "core/sim/objects.hpp"

#include <algorithm>

namespace skysock {
namespace {

struct Readiness {
  std::uint32_t operator()(std::monostate) const { return 0; }
  std::uint32_t operator()(const Spare&) const { return 0; }
  std::uint32_t operator()(const EpollSet&) const { return 0; }
  std::uint32_t operator()(const Stream& end) const { return end->readiness(); }

  std::uint32_t operator()(const Listener& listener) const {
    return listener.waiting.empty() ? 0 : std::uint32_t{EPOLLIN};
  }
  std::uint32_t operator()(const PipeReader& end) const {
    const std::uint32_t in = end.pipe->bytes.empty() ? 0 : std::uint32_t{EPOLLIN};
    return in | (end.pipe->writer_open ? 0 : std::uint32_t{EPOLLHUP});
  }
  std::uint32_t operator()(const PipeWriter& end) const {
    const bool room = end.pipe->room() >= Pipe::kAtomicBytes;
    return (room ? std::uint32_t{EPOLLOUT} : 0) |
           (end.pipe->reader_open ? 0 : std::uint32_t{EPOLLERR});
  }
};

}  // namespace

Result<std::size_t> Pipe::read(std::span<std::byte> into) {
  if (into.empty()) return 0;
  if (bytes.empty() && writer_open) return failure(std::errc::resource_unavailable_try_again);
  return bytes.pop(into);
}

Result<std::size_t> Pipe::write(std::span<const std::byte> from) {
  if (!reader_open) return failure(std::errc::broken_pipe);
  const std::size_t count = std::min(from.size(), room());
  const bool split = count < from.size();
  if (split && (count == 0 || from.size() <= kAtomicBytes)) {
    return failure(std::errc::resource_unavailable_try_again);
  }
  bytes.push(from.first(count));
  return count;
}

std::vector<EpollSet::Interest>::iterator EpollSet::find(int fd) {
  return std::ranges::find(interests, fd, &Interest::fd);
}

std::uint32_t readiness(const Object& object) { return std::visit(Readiness{}, object); }

}  // namespace skysock
