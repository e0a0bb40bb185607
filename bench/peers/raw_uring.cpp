#include "bench/peers/raw_uring.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "bench/peers/server_modes.hpp"
#include "bench/peers/uring_ring.hpp"
#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

using load::Fd;
using load::Outcome;

/// Comes back with each completion, beside the connection's place in the table of files.
enum class Operation : std::uint8_t { stop, accept, receive, send, close, cancel };

std::uint64_t tag(Operation operation, unsigned slot) {
  return std::uint64_t{slot} << 8U | std::to_underlying(operation);
}

constexpr unsigned kNone = ~0U;

/// The bytes of a buffer that are to be sent, and the buffer that follows.
struct Piece {
  std::size_t size = 0;
  unsigned next = kNone;
};

/// At most one receive and one send are under way: two sends could overtake each other.
struct Connection {
  bool receiving = false;
  bool sending = false;
  bool over = false;             ///< Nothing more is received; closed when nothing is under way.
  bool starved = false;          ///< There was no buffer for its receive.
  unsigned first = kNone;        ///< The buffer that is being sent,
  unsigned last = kNone;         ///< and the last of those that follow.
  std::uint64_t streamed = 0;    ///< Bytes sent so far, in source mode.
  std::vector<std::byte> rest;   ///< What the kernel did not take at once; being sent.
  std::vector<std::byte> later;  ///< What was received meanwhile.
  SinkTally tally;
};

/// A send from a buffer never waits, so that a peer that does not read holds none. The rest is
/// copied, and while there is one nothing is received: the kernel's buffers hold the peer back.
class Server {
 public:
  Server(int listener, int stop, ServerMode mode) : listener_(listener), stop_(stop), mode_(mode) {}

  Outcome<void> run() {
    if (auto opened = ring_.open(); !opened) return opened;
    io_uring_prep_poll_add(&ring_.submission(tag(Operation::stop, 0)), stop_, POLLIN);
    ring_.accept(tag(Operation::accept, 0), listener_);
    const auto take = [this](const io_uring_cqe& completion) { return complete(completion); };
    while (!stopped_) {
      if (auto done = ring_.wait(take); !done) return done;
      feed_starved();
    }
    return {};
  }

 private:
  Connection& at(unsigned slot) { return connections_[slot]; }

  Outcome<void> complete(const io_uring_cqe& completion) {
    const auto slot = static_cast<unsigned>(completion.user_data >> 8U);
    switch (static_cast<Operation>(completion.user_data & 0xffU)) {
      case Operation::stop:
        stopped_ = true;
        return {};
      case Operation::accept:
        return accepted(completion);
      case Operation::receive:
        received(slot, completion);
        return {};
      case Operation::send:
        sent(slot, completion.res);
        return {};
      case Operation::close:
        return uring_failed("close", -completion.res);  // A success is not reported.
      case Operation::cancel:
        return {};  // The receive had already ended.
    }
    return {};
  }

  Outcome<void> accepted(const io_uring_cqe& completion) {
    const auto place = ring_.accepted(completion, listener_);
    if (!place) return std::unexpected(place.error());
    if (!*place) return {};
    const unsigned slot = **place;
    if (slot >= connections_.size()) connections_.resize(2 * (std::size_t{slot} + 1));
    if (mode_ == ServerMode::source) stream(slot);
    receive(slot);
    return {};
  }

  void receive(unsigned slot) {
    at(slot).receiving = true;
    ring_.receive(tag(Operation::receive, slot), slot);
  }

  void received(unsigned slot, const io_uring_cqe& completion) {
    Connection& connection = at(slot);
    connection.receiving = (completion.flags & IORING_CQE_F_MORE) != 0;
    if (completion.res > 0) {
      take(slot, completion.flags >> IORING_CQE_BUFFER_SHIFT,
           static_cast<std::size_t>(completion.res));
    } else if (completion.res == -ENOBUFS) {
      connection.starved = true;
      starved_.push_back(slot);
    } else if (completion.res != -ECANCELED) {
      connection.over = true;
    }
    proceed(slot);
  }

  void take(unsigned slot, unsigned buffer, std::size_t size) {
    if (mode_ == ServerMode::echo) return answer(slot, buffer, size);
    if (mode_ == ServerMode::sink) {
      if (const auto report = at(slot).tally.feed({ring_.buffer(buffer), size})) {
        std::memcpy(ring_.buffer(buffer), &*report, sizeof *report);
        return answer(slot, buffer, sizeof *report);
      }
    }
    ring_.give_back(buffer);
  }

  /// Sends what is in the buffer, behind what was there before it.
  void answer(unsigned slot, unsigned buffer, std::size_t size) {
    Connection& connection = at(slot);
    if (!connection.rest.empty()) {
      append(connection.later, {ring_.buffer(buffer), size});
      return ring_.give_back(buffer);
    }
    pieces_[buffer] = {.size = size, .next = kNone};
    (connection.first == kNone ? connection.first : pieces_[connection.last].next) = buffer;
    connection.last = buffer;
    if (!connection.sending) send_piece(slot);
  }

  static void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
  }

  void send(unsigned slot, std::span<const std::byte> bytes, int flags) {
    at(slot).sending = true;
    ring_.send(tag(Operation::send, slot), slot, bytes, flags);
  }

  void send_piece(unsigned slot) {
    const unsigned buffer = at(slot).first;
    send(slot, {ring_.buffer(buffer), pieces_[buffer].size}, MSG_DONTWAIT);
  }

  // MSG_WAITALL: the kernel goes on by itself whenever there is room.
  void send_rest(unsigned slot) { send(slot, at(slot).rest, MSG_WAITALL); }

  void stream(unsigned slot) {
    send(slot, stream_bytes(at(slot).streamed, kStreamMessageBytesMax), 0);
  }

  void sent(unsigned slot, int result) {
    Connection& connection = at(slot);
    connection.sending = false;
    const auto size = static_cast<std::size_t>(std::max(result, 0));
    if (result < 0 && result != -EAGAIN) {
      // The connection is broken. Its receive ends, too, and that is its end.
      while (connection.first != kNone) drop_piece(connection);
    } else if (mode_ == ServerMode::source) {
      connection.streamed += size;
      if (!connection.over) stream(slot);
    } else if (connection.first != kNone) {
      sent_piece(slot, size);
    } else {
      sent_rest(slot, size);
    }
    proceed(slot);
  }

  void sent_piece(unsigned slot, std::size_t size) {
    Connection& connection = at(slot);
    if (size < pieces_[connection.first].size) return block(slot, size);
    drop_piece(connection);
    if (connection.first != kNone) send_piece(slot);
  }

  /// The kernel has no room for what follows the first `sent` bytes.
  void block(unsigned slot, std::size_t sent) {
    Connection& connection = at(slot);
    while (connection.first != kNone) {
      const std::span bytes(ring_.buffer(connection.first), pieces_[connection.first].size);
      append(connection.rest, bytes.subspan(std::exchange(sent, 0)));
      drop_piece(connection);
    }
    send_rest(slot);
    if (connection.receiving) cancel_receive(slot);
  }

  void drop_piece(Connection& connection) {
    const unsigned buffer = connection.first;
    connection.first = pieces_[buffer].next;
    ring_.give_back(buffer);
  }

  void sent_rest(unsigned slot, std::size_t size) {
    Connection& connection = at(slot);
    if (size < connection.rest.size()) return;  // Broken, as above.
    connection.rest = std::exchange(connection.later, {});
    if (!connection.rest.empty()) send_rest(slot);
  }

  void cancel_receive(unsigned slot) {
    io_uring_sqe& entry = ring_.submission(tag(Operation::cancel, slot));
    io_uring_prep_cancel64(&entry, tag(Operation::receive, slot), 0);
    entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  }

  /// What a connection does next when nothing is being sent.
  void proceed(unsigned slot) {
    Connection& connection = at(slot);
    if (connection.sending) return;
    if (!connection.over) {
      if (!connection.receiving && !connection.starved) receive(slot);
    } else if (!connection.receiving) {
      connection = Connection();
      ring_.close(tag(Operation::close, slot), slot);
    }
  }

  void feed_starved() {
    if (starved_.empty()) return;
    ring_.add_buffers();
    for (const unsigned slot : std::exchange(starved_, {})) {
      // Its place may be another connection's by now.
      if (std::exchange(at(slot).starved, false)) proceed(slot);
    }
  }

  int listener_;
  int stop_;
  ServerMode mode_;
  bool stopped_ = false;
  std::vector<Connection> connections_;            ///< By place in the table of files.
  std::array<Piece, UringRing::kBuffers> pieces_;  ///< By buffer.
  std::vector<unsigned> starved_;
  UringRing ring_;  ///< Ends first: until then the kernel may read what is above.
};

}  // namespace

Outcome<void> check_uring() { return UringRing().open(); }

Outcome<void> serve_raw_uring(const Fd& listener, int stop, ServerMode mode) {
  // An accept of a non-blocking listener does not wait.
  if (fcntl(listener.get(), F_SETFL, 0) != 0) return uring_failed("fcntl", errno);
  constexpr ServerModes kOthers = {.broadcast = serve_uring_broadcast,
                                   .udp_echo = serve_uring_udp,
                                   .connect = serve_uring_connect};
  if (Serve* const serve = kOthers.of(mode)) return serve(listener.get(), stop);
  return Server(listener.get(), stop, mode).run();
}

}  // namespace skysock::bench
