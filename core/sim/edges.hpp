#pragma once

#include <sys/epoll.h>

#include <cstdint>

namespace skysock {

/// How often whoever waits for an object was woken, by reason: what an edge-triggered interest goes
/// by. Readiness alone does not tell: more bytes behind unread ones are an edge too.
///
/// Source: the keys that sk_data_ready(), sk_write_space(), sk_state_change(), pipe_write(),
/// eventfd_write() wake with, and ep_poll_callback(), which compares them with the mask.
class Edges {
 public:
  void readable() { ++readable_; }
  void writable() { ++writable_; }
  /// Wakes whatever the mask: the end or an error of a connection.
  void any() { ++any_; }

  /// Whether an interest with `mask`, which last looked at `before`, was woken since.
  [[nodiscard]] bool woken_since(const Edges& before, std::uint32_t mask) const {
    return any_ != before.any_ || ((mask & EPOLLIN) != 0 && readable_ != before.readable_) ||
           ((mask & EPOLLOUT) != 0 && writable_ != before.writable_);
  }

 private:
  std::uint64_t readable_ = 0;
  std::uint64_t writable_ = 0;
  std::uint64_t any_ = 0;
};

}  // namespace skysock
