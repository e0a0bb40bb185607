#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/sim/byte_fifo.hpp"
#include "core/sim/tcp_end.hpp"

namespace skysock {

// What a descriptor of SimKernel may stand for.

/// Both ends of a pipe share it.
struct Pipe {
  static constexpr std::size_t kCapacityBytes = 65'536;
  static constexpr std::size_t kAtomicBytes = 4'096;  ///< PIPE_BUF: such a write is never split.

  /// Errors: EAGAIN when empty, for as long as a writer may come.
  Result<std::size_t> read(std::span<std::byte> into);
  /// Errors: EPIPE when nobody can read; EAGAIN when full. A real writer would block there: in a
  /// single-threaded world, for ever.
  Result<std::size_t> write(std::span<const std::byte> from);
  [[nodiscard]] std::size_t room() const { return kCapacityBytes - bytes.size(); }

  ByteFifo bytes;
  bool reader_open = true;
  bool writer_open = true;
};

struct PipeReader {
  std::shared_ptr<Pipe> pipe;
};
struct PipeWriter {
  std::shared_ptr<Pipe> pipe;
};

/// A socket after listen(2).
struct Listener {
  Endpoint local;
  std::size_t backlog = 0;
  std::deque<std::shared_ptr<TcpEnd>> waiting;  ///< Established, not accepted.

  /// Source: sk_acceptq_is_full(), which lets one more in than listen(2) was told.
  [[nodiscard]] bool has_room() const { return waiting.size() <= backlog; }
};

/// Whom an epoll set watches, in the order of epoll_add().
struct EpollSet {
  struct Interest {
    int fd;
    std::uint32_t mask;
    std::uint64_t data;
  };
  std::vector<Interest>::iterator find(int fd);

  std::vector<Interest> interests;
  std::size_t next = 0;  ///< Where the next wait starts to look, so that nobody starves.
};

/// Like /dev/null opened for reading.
struct Spare {};

using Stream = std::shared_ptr<TcpEnd>;
/// std::monostate: the descriptor is free.
using Object =
    std::variant<std::monostate, Spare, PipeReader, PipeWriter, Stream, Listener, EpollSet>;

/// The epoll(7) bits that hold for `object` now. A Spare and an EpollSet are never ready.
std::uint32_t readiness(const Object& object);

}  // namespace skysock
