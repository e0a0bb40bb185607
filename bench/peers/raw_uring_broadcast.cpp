// Broadcast on io_uring: each chunk is copied once out of the buffer it came in, and every
// subscriber has at most one send of it under way.

#include <liburing.h>
#include <poll.h>

#include <utility>
#include <vector>

#include "bench/peers/server_modes.hpp"
#include "bench/peers/shared_output.hpp"
#include "bench/peers/uring_ring.hpp"
#include "core/base/broadcast_role.hpp"

namespace skysock::bench {
namespace {

using load::Outcome;

enum class Operation : std::uint8_t { stop, accept, receive, send, cancel, close };

std::uint64_t tag(Operation operation, unsigned slot) {
  return std::uint64_t{slot} << 8U | std::to_underlying(operation);
}

/// At most one receive and one send are under way.
struct Connection {
  bool receiving = false;
  bool sending = false;
  bool over = false;  ///< Closed when nothing is under way.
  BroadcastRole role = BroadcastRole::unknown;
  OutputQueue output;
};

class Server {
 public:
  explicit Server(int listener) : listener_(listener) {}

  Outcome<void> run(int stop) {
    if (auto opened = ring_.open(); !opened) return opened;
    io_uring_prep_poll_add(&ring_.submission(tag(Operation::stop, 0)), stop, POLLIN);
    ring_.accept(tag(Operation::accept, 0), listener_);
    while (!stopped_) {
      auto done = ring_.wait([this](const io_uring_cqe& one) { return complete(one); });
      if (!done) return done;
    }
    return {};
  }

 private:
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
      case Operation::cancel:
        return {};  // All had ended already.
      case Operation::close:
        return uring_failed("close", -completion.res);  // A success is not reported.
    }
    return {};
  }

  Outcome<void> accepted(const io_uring_cqe& completion) {
    const auto slot = ring_.accepted(completion, listener_);
    if (!slot) return std::unexpected(slot.error());
    if (!*slot) return {};
    if (**slot >= connections_.size()) connections_.resize(2 * (std::size_t{**slot} + 1));
    proceed(**slot);
    return {};
  }

  void received(unsigned slot, const io_uring_cqe& completion) {
    Connection& connection = connections_[slot];
    connection.receiving = (completion.flags & IORING_CQE_F_MORE) != 0;
    if (completion.res > 0) {
      const unsigned buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
      take(slot, {ring_.buffer(buffer), static_cast<std::size_t>(completion.res)});
      ring_.give_back(buffer);
    } else if (completion.res == -ENOBUFS) {
      ring_.add_buffers();
    } else {
      leave(slot);
    }
    proceed(slot);
  }

  void take(unsigned slot, std::span<const std::byte> bytes) {
    Connection& connection = connections_[slot];
    if (connection.over) return;
    const BroadcastInput input = take_broadcast(connection.role, bytes);
    if (input.answer) {
      push(slot, share(std::span(&*input.answer, 1)));
      if (connection.role == BroadcastRole::subscriber) subscribers_.push_back(slot);
    }
    if (!input.published.empty() && !subscribers_.empty()) publish(share(input.published));
  }

  void publish(const SharedBytes& chunk) {
    for (std::size_t at = 0; at < subscribers_.size();) {
      const unsigned slot = subscribers_[at];
      if (connections_[slot].output.bytes() + chunk->size() <= kSubscriberBytesMax) {
        push(slot, chunk);
        ++at;
      } else {
        leave(slot);  // The next one takes its place.
      }
    }
  }

  void push(unsigned slot, SharedBytes chunk) {
    Connection& connection = connections_[slot];
    connection.output.push(std::move(chunk));
    if (!connection.sending) send_front(slot);
  }

  // MSG_WAITALL: the kernel goes on by itself whenever there is room.
  void send_front(unsigned slot) {
    connections_[slot].sending = true;
    ring_.send(tag(Operation::send, slot), slot, connections_[slot].output.front(), MSG_WAITALL);
  }

  void sent(unsigned slot, int result) {
    Connection& connection = connections_[slot];
    connection.sending = false;
    const bool whole = result == std::ssize(connection.output.front());
    if (whole) {
      connection.output.remove(static_cast<std::size_t>(result));
      if (!connection.output.empty() && !connection.over) send_front(slot);
    } else {
      leave(slot);
    }
    proceed(slot);
  }

  /// Nothing more is published to it, and what is under way ends.
  void leave(unsigned slot) {
    Connection& connection = connections_[slot];
    std::erase(subscribers_, slot);
    if (std::exchange(connection.over, true)) return;
    if (connection.receiving || connection.sending) {
      ring_.cancel_all(tag(Operation::cancel, slot), slot);
    }
  }

  void proceed(unsigned slot) {
    Connection& connection = connections_[slot];
    if (!connection.over) {
      if (connection.receiving) return;
      connection.receiving = true;
      ring_.receive(tag(Operation::receive, slot), slot);
    } else if (!connection.receiving && !connection.sending) {
      connection = Connection();
      ring_.close(tag(Operation::close, slot), slot);
    }
  }

  int listener_;
  bool stopped_ = false;
  std::vector<Connection> connections_;  ///< By place in the table of files.
  std::vector<unsigned> subscribers_;
  UringRing ring_;  ///< Ends first: until then the kernel may read what is above.
};

}  // namespace

Outcome<void> serve_uring_broadcast(int listener, int stop) { return Server(listener).run(stop); }

}  // namespace skysock::bench
