#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "core/base/block.hpp"
#include "core/net/types.hpp"
#include "core/net/udp_address.hpp"

namespace skysock {

/// The unsent bytes of one connection: a high and a low list of messages.
///
/// Order: high before low, each first-in first-out. Invariant: only the front of the high list may
/// be partly sent, so nothing is ever put into the middle of a message: a low message that was cut
/// moves to the (then empty) high list. Small messages in a row share a block, so that what waits
/// costs little more than its bytes, and are sent as one. Reactor thread only.
class WriteQueue {
 public:
  /// Appends; the first message of an idle connection is high whatever it asked for. An empty
  /// payload is dropped.
  void push(Block payload, Priority priority);

  /// Puts bytes before everything else: what a direct write could not send. Requires: the block in
  /// front is not partly sent.
  void push_front(Block payload);

  [[nodiscard]] bool empty() const { return bytes_ == 0; }
  /// Unsent bytes, the rest of a partly sent message included.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  /// Describes the next bytes to send, in order; returns the used part of `into`. Requires:
  /// !empty().
  std::span<iovec> gather(std::span<iovec> into) const;

  /// Says that the first `count` gathered bytes were sent. Requires: count <= what gather()
  /// described.
  void consume(std::size_t count);

  /// Frees everything.
  void clear();

 private:
  /// A first-in first-out list in one vector: `head` is the first live element.
  struct List {
    std::vector<Block> blocks;
    std::size_t head = 0;
    std::size_t room = 0;  ///< Unused bytes behind those of the last block.
    [[nodiscard]] bool empty() const { return head == blocks.size(); }
    Block& front() { return blocks[head]; }
    void push(Block block);
    void pop();
    void push_front(Block block);
    /// Forgets `size` bytes at the front. Requires: they are in one block.
    void drop(std::size_t size);
    /// Takes them out.
    Block take(std::size_t size);
  };

  List high_;
  List low_;
  std::deque<std::uint32_t> low_sizes_;  ///< Of each low message: they may share a block.
  std::size_t front_sent_ = 0;           ///< Bytes of high_'s front that are gone.
  std::size_t bytes_ = 0;
};

/// One datagram on its way out.
struct Datagram {
  Block payload;
  UdpAddress to;
};

/// What a datagram counts while it waits: even without a byte it is not for nothing.
inline constexpr std::size_t kDatagramKeepBytes = 128;
inline std::size_t kept_bytes(const Datagram& datagram) {
  return datagram.payload.size() + kDatagramKeepBytes;
}

/// The unsent datagrams of one socket: high before low, each first-in first-out. Reactor thread
/// only.
class DatagramQueue {
 public:
  void push(Datagram datagram, Priority priority) {
    bytes_ += kept_bytes(datagram);
    (priority == Priority::high ? high_ : low_).push_back(std::move(datagram));
  }
  [[nodiscard]] bool empty() const { return high_.empty() && low_.empty(); }
  /// As kept_bytes() of each.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Requires: !empty().
  [[nodiscard]] const Datagram& front() const {
    return high_.empty() ? low_.front() : high_.front();
  }
  /// Requires: !empty().
  void pop() {
    bytes_ -= kept_bytes(front());
    (high_.empty() ? low_ : high_).pop_front();
  }

 private:
  std::deque<Datagram> high_;
  std::deque<Datagram> low_;
  std::size_t bytes_ = 0;
};

}  // namespace skysock
