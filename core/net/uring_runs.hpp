#pragma once

#include <cerrno>
#include <cstdint>
#include <span>
#include <vector>

#include "core/net/types.hpp"
#include "core/sys/uring.hpp"

namespace skysock {

/// What a request of the ring is for. Its `user` says so, and whose it is.
enum class UringRequest : std::uint8_t { watched, receive, accept, send, cancel };

constexpr std::uint64_t uring_user(UringRequest kind, std::uint32_t value) {
  return std::uint64_t{static_cast<std::uint8_t>(kind)} << 32U | value;
}
constexpr UringRequest kind_of(const UringCompletion& one) {
  return static_cast<UringRequest>(one.user >> 32U);
}
constexpr std::uint32_t value_of(const UringCompletion& one) {
  return static_cast<std::uint32_t>(one.user);
}

/// Completions of one request that came one behind the other: they are reported once.
struct UringRun {
  SocketId id = 0;
  UringRequest kind = UringRequest::receive;
  std::uint32_t first = 0;
  std::uint32_t count = 0;  ///< 0: they were handled.
};

/// Completions of receives and accepts, in the order in which the ring made them, from when they
/// are taken until they were handled. New ones may be added between any two. Reactor thread only.
class UringRuns {
 public:
  void add(const UringCompletion& one) {
    const auto id = static_cast<SocketId>(value_of(one));
    // A reported one stays as it is: the reactor may be about to handle it.
    const bool joins =
        has_unreported() && runs_.back().id == id && runs_.back().kind == kind_of(one);
    if (joins) {
      ++runs_.back().count;
    } else {
      runs_.push_back({.id = id,
                       .kind = kind_of(one),
                       .first = static_cast<std::uint32_t>(completions_.size()),
                       .count = 1});
    }
    completions_.push_back(one);
  }

  [[nodiscard]] bool has_unreported() const { return unreported_ < runs_.size(); }
  /// The index of the next one to report. Requires: has_unreported().
  std::uint32_t report_next() { return static_cast<std::uint32_t>(unreported_++); }

  [[nodiscard]] UringRun& at(std::uint32_t index) { return runs_[index]; }
  [[nodiscard]] std::span<UringRun> all() { return runs_; }

  /// Valid until the next add().
  [[nodiscard]] std::span<const UringCompletion> completions_of(const UringRun& run) const {
    return std::span(completions_).subspan(run.first, run.count);
  }

  /// Whatever was reported is handled.
  void forget_reported() {
    if (has_unreported()) return;
    runs_.clear();
    completions_.clear();
    unreported_ = 0;
  }

 private:
  std::vector<UringCompletion> completions_;
  std::vector<UringRun> runs_;
  std::size_t unreported_ = 0;
};

}  // namespace skysock
