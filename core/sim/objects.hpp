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
#include "core/sim/edges.hpp"
#include "core/sim/tcp_end.hpp"
#include "core/sim/udp_socket.hpp"

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
  void close_reader();
  void close_writer();
  [[nodiscard]] std::size_t room() const { return kCapacityBytes - bytes.size(); }
  /// Writable promises room for an atomic write.
  [[nodiscard]] bool is_writable() const { return room() >= kAtomicBytes; }

  ByteFifo bytes;
  bool reader_open = true;
  bool writer_open = true;
  Edges reader_edges;
  Edges writer_edges;
};

struct PipeReader {
  std::shared_ptr<Pipe> pipe;
};
struct PipeWriter {
  std::shared_ptr<Pipe> pipe;
};

/// As eventfd(2).
struct EventCounter {
  static constexpr std::size_t kBytes = 8;

  /// Errors: EINVAL below 8 bytes of room; EAGAIN when nothing was signalled.
  Result<std::size_t> read(std::span<std::byte> into);
  /// Errors: EINVAL unless 8 bytes.
  Result<std::size_t> write(std::span<const std::byte> from);
  void signal(std::uint64_t count);

  std::uint64_t count = 0;
  Edges edges;
};

/// A regular file: always ready, so that epoll does not take it.
struct File {
  std::size_t read(std::span<std::byte> into);
  std::size_t write(std::span<const std::byte> from);

  std::vector<std::byte> contents;
  std::size_t at = 0;  ///< Invariant: at <= contents.size().
};

/// A socket after listen(2).
struct Listener {
  Endpoint local;
  std::size_t backlog = 0;
  std::deque<std::shared_ptr<TcpEnd>> waiting;  ///< Established, not accepted.
  bool shut = false;  ///< By shutdown(2): listens no more, accept(2) answers EINVAL.
  Edges edges;

  /// Source: sk_acceptq_is_full(), which lets one more in than listen(2) was told.
  [[nodiscard]] bool has_room() const { return waiting.size() <= backlog; }
  void admit(std::shared_ptr<TcpEnd> end) {
    waiting.push_back(std::move(end));
    edges.readable();
  }
};

/// Whom an epoll set watches, in the order of epoll_add().
struct EpollSet {
  struct Interest {
    /// What there is to report of an object that is `ready` and has these `edges`; it then counts
    /// as reported.
    std::uint32_t take(const Edges& edges, std::uint32_t ready);

    int fd;
    std::uint32_t mask;
    std::uint64_t data;
    Edges seen;           ///< Those before the last report.
    bool fresh = true;    ///< Added or modified since the last wait: what is ready is an edge.
    bool enabled = true;  ///< One-shot: not reported yet.
  };
  std::vector<Interest>::iterator find(int fd);

  std::vector<Interest> interests;
  std::size_t next = 0;  ///< Where the next wait starts to look, so that nobody starves.
};

/// Like /dev/null opened for reading.
struct Spare {};

using Stream = std::shared_ptr<TcpEnd>;
using Datagrams = std::shared_ptr<UdpSocket>;
/// std::monostate: the descriptor is free.
using Object = std::variant<std::monostate, Spare, File, PipeReader, PipeWriter, EventCounter,
                            Stream, Listener, Datagrams, EpollSet>;

inline bool is_socket(const Object& object) {
  return std::holds_alternative<Stream>(object) || std::holds_alternative<Listener>(object) ||
         std::holds_alternative<Datagrams>(object);
}

/// The epoll(7) bits that hold for `object` now. A Spare and an EpollSet are never ready.
std::uint32_t readiness(const Object& object);

/// Where those who wait for `object` are woken; null when epoll does not watch it.
Edges* edges_of(Object& object);

}  // namespace skysock
