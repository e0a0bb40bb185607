#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/base/block.hpp"
#include "core/net/polled_socket.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

/// Sends on their way through a ring, in order: prepared, and over as soon as the ring has been
/// entered, because each is one attempt that does not wait. Reactor thread only.
template <Syscalls Sys>
class UringSends {
  using Ring = typename Sys::Uring;

 public:
  /// A longer one is not worth a copy, and would fill the peer's window anyway.
  static constexpr std::size_t kBytesMax = 65'536;

  [[nodiscard]] bool empty() const { return sends_.empty(); }

  /// `user(index)` is what its completion is to be given. Requires: payload.size() <= kBytesMax.
  template <typename User>
  void add(Ring& ring, SocketId id, int fd, Block payload, User user) {
    const auto index = static_cast<std::uint32_t>(sends_.size());
    const auto place = ring.send(fd, std::as_const(payload).bytes(), user(index));
    sends_.push_back({.payload = std::move(payload), .id = id, .fd = fd, .place = place});
  }

  /// The one with this index did not take everything. `result`: bytes, or a negative errno.
  void failed(std::uint32_t index, std::int32_t result) { sends_[index].result = result; }

  /// Calls `on_sent(SentByPoller)` for those that have begun, and with `all` for the rest, too,
  /// which are then written without the ring. Requires: every completion was taken.
  template <typename OnSent>
  void finish(Sys& sys, Ring& ring, bool all, OnSent& on_sent) {
    for (; next_ < sends_.size(); ++next_) {
      Sending& one = sends_[next_];
      const bool begun = one.place && ring.has_begun(*one.place);
      if (!begun && !all && one.place) return;
      if (!begun && one.place) ring.withdraw(*one.place);
      on_sent(SentByPoller{
          .id = one.id, .payload = one.payload, .answer = begun ? one.answer() : write(sys, one)});
    }
    sends_.clear();
    next_ = 0;
  }

 private:
  struct Sending {
    Block payload;
    SocketId id = 0;
    int fd = -1;
    std::optional<std::uint32_t> place;  ///< Nothing: the ring had no room for it.
    std::optional<std::int32_t> result;  ///< Nothing: it took everything.

    [[nodiscard]] Result<std::size_t> answer() const {
      if (!result) [[likely]]
        return payload.size();
      if (*result < 0) return Failure(errno_code(-*result));
      return static_cast<std::size_t>(*result);
    }
  };

  static Result<std::size_t> write(Sys& sys, Sending& one) {
    const std::span<std::byte> bytes = one.payload.bytes();
    const iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
    return sys.send(one.fd, std::span(&part, 1));
  }

  std::vector<Sending> sends_;
  std::size_t next_ = 0;  ///< Those before were reported.
};

}  // namespace skysock
