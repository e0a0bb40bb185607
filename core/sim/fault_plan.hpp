#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.hpp"

namespace skysock {

/// The system calls of the Syscalls concept that are counted and may be made to fail.
enum class Call : std::uint8_t {
  close,
  read,
  receive,
  write,
  write_parts,
  set_nonblocking,
  make_pipe,
  open_spare,
  make_event,
  signal_event,
  stream_socket,
  bind,
  listen,
  accept,
  connect,
  send,
  shutdown_write,
  take_socket_error,
  local_endpoint,
  peer_endpoint,
  set_option,
  datagram_socket,
  send_to,
  receive_from,
  epoll_create,
  epoll_add,
  epoll_modify,
  epoll_remove,
  epoll_wait,
};
inline constexpr std::size_t kCallCount = static_cast<std::size_t>(Call::epoll_wait) + 1;
/// Their names, in the order of Call.
inline constexpr std::array<std::string_view, kCallCount> kCallNames = {
    "close",          "read",
    "receive",        "write",
    "write_parts",    "set_nonblocking",
    "make_pipe",      "open_spare",
    "make_event",     "signal_event",
    "stream_socket",  "bind",
    "listen",         "accept",
    "connect",        "send",
    "shutdown_write", "take_socket_error",
    "local_endpoint", "peer_endpoint",
    "set_option",     "datagram_socket",
    "send_to",        "receive_from",
    "epoll_create",   "epoll_add",
    "epoll_modify",   "epoll_remove",
    "epoll_wait"};

/// Counts the calls of each kind and says which of them fail.
class FaultPlan {
 public:
  /// Makes one later call of kind `call` fail with `errno_value`: the next one, or the one `after`
  /// calls behind it. A call that is already planned to fail passes this fault on to the one behind
  /// it. Requires: not Call::close nor Call::signal_event, which cannot fail.
  void fail_next(Call call, int errno_value, std::uint64_t after) {
    SKYSOCK_CHECK(call != Call::close && call != Call::signal_event && errno_value > 0);
    Place place{call, calls(call) + 1 + after};
    auto fault = faults_.lower_bound(place);
    for (; fault != faults_.end() && fault->first == place; ++fault) ++place.second;
    faults_.emplace_hint(fault, place, errno_value);
  }

  /// Counts one call; returns the errno it has to fail with, if any.
  std::optional<int> next(Call call) {
    const std::uint64_t at = ++counts_[static_cast<std::size_t>(call)];
    const auto fault = faults_.find({call, at});
    if (fault == faults_.end()) return std::nullopt;
    const int errno_value = fault->second;
    faults_.erase(fault);
    met_.emplace_back(call, errno_value);
    return errno_value;
  }

  [[nodiscard]] std::uint64_t calls(Call call) const {
    return counts_[static_cast<std::size_t>(call)];
  }

  /// Faults that no call has met yet.
  [[nodiscard]] std::size_t faults_left() const { return faults_.size(); }
  /// Faults that a call has met, in their order.
  [[nodiscard]] const std::vector<std::pair<Call, int>>& faults_met() const { return met_; }

 private:
  /// Which call of a kind, counted from 1.
  using Place = std::pair<Call, std::uint64_t>;

  std::array<std::uint64_t, kCallCount> counts_{};
  std::map<Place, int> faults_;  ///< By place, the errno.
  std::vector<std::pair<Call, int>> met_;
};

}  // namespace skysock
