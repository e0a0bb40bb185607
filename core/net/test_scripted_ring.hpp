#pragma once

// For tests: a ring whose kernel is the test itself, so that what io_uring(7) does once in a year
// happens in a line. Requests begin with enter(), as they do there; what they come to is said here.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "core/base/check.hpp"
#include "core/sim/sim_kernel.hpp"
#include "core/sys/uring.hpp"

namespace skysock {

class ScriptedRing {
 public:
  enum class Kind : std::uint8_t { accept, receive, poll, cancel, send, nothing };
  struct Request {
    Kind kind;
    int fd;
    std::uint64_t user;
    std::uint64_t target = 0;  ///< Of a cancel.

    bool operator==(const Request&) const = default;
  };

  /// What the kernel knows, and what it will do.
  struct Kernel {
    std::vector<Request> requests;  ///< All there ever were; a position is an index here.
    std::size_t begun = 0;          ///< How many of them.
    std::set<std::uint64_t> armed;  ///< Receives and accepts that go on.
    std::deque<UringCompletion> due;
    std::map<std::uint16_t, std::span<std::byte>> lent;
    std::vector<int> disconnected;
    bool full = false;   ///< No request has a place.
    bool stuck = false;  ///< enter() fails.
    bool late = false;   ///< What was cancelled ends with the enter() after the next.
    bool can_cancel_all = true;
    int timeout_ms = 0;  ///< Of the last enter().
    std::vector<Request> cancels_due;

    /// A completion of an armed request, its last one unless `more`.
    void complete(std::uint64_t user, std::int32_t result, bool more) {
      SKYSOCK_CHECK(armed.contains(user));
      if (!more) armed.erase(user);
      due.push_back({.user = user, .result = result, .more = more});
    }
    /// Of a receive, in a buffer that was lent.
    void receive(std::uint64_t user, std::string_view text, bool more = true) {
      SKYSOCK_CHECK(!lent.empty());
      const auto [buffer, memory] = *lent.begin();
      lent.erase(lent.begin());
      SKYSOCK_CHECK(text.size() <= memory.size());
      std::memcpy(memory.data(), text.data(), text.size());
      complete(user, static_cast<std::int32_t>(text.size()), more);
      due.back().has_buffer = true;
      due.back().buffer = buffer;
    }
    [[nodiscard]] std::size_t count(Kind kind) const {
      return static_cast<std::size_t>(std::ranges::count(requests, kind, &Request::kind));
    }
  };
  /// Of the ring that was made last. Valid as long as that is.
  static Kernel& kernel() { return *made_; }

  static Result<ScriptedRing> create(std::uint16_t) {
    ScriptedRing ring;
    made_ = ring.kernel_.get();
    return ring;
  }
  Result<void> enable() { return {}; }

  bool accept(int fd, std::uint64_t user) { return add({Kind::accept, fd, user}).has_value(); }
  bool receive(int fd, std::uint64_t user) { return add({Kind::receive, fd, user}).has_value(); }
  bool poll(int fd, std::uint64_t user) { return add({Kind::poll, fd, user}).has_value(); }
  bool cancel(std::uint64_t target, std::uint64_t user) {
    return add({Kind::cancel, -1, user, target}).has_value();
  }
  std::optional<std::uint32_t> send(int fd, std::span<const std::byte>, std::uint64_t user) {
    return add({Kind::send, fd, user});
  }
  [[nodiscard]] bool has_begun(std::uint32_t position) const { return position < kernel_->begun; }
  void withdraw(std::uint32_t position) { kernel_->requests[position].kind = Kind::nothing; }

  Result<void> enter(int timeout_ms) {
    kernel_->timeout_ms = timeout_ms;
    if (kernel_->stuck) return failure(std::errc::device_or_resource_busy);
    for (const Request& request : std::exchange(kernel_->cancels_due, {})) cancel(request);
    while (kernel_->begun < kernel_->requests.size()) begin(kernel_->requests[kernel_->begun++]);
    return {};
  }
  template <typename Each>
  void take(Each&& each) {
    for (; !kernel_->due.empty(); kernel_->due.pop_front()) each(kernel_->due.front());
  }
  Result<void> cancel_all() {
    if (!kernel_->can_cancel_all) return failure(std::errc::invalid_argument);
    while (!kernel_->armed.empty()) kernel_->complete(*kernel_->armed.begin(), -ECANCELED, false);
    return {};
  }
  void disconnect(int fd) { kernel_->disconnected.push_back(fd); }
  void lend(std::uint16_t buffer, std::span<std::byte> memory) {
    SKYSOCK_CHECK(!kernel_->lent.contains(buffer));
    kernel_->lent[buffer] = memory;
  }
  Endpoint peer_of(int) { return {}; }

 private:
  ScriptedRing() = default;

  std::optional<std::uint32_t> add(const Request& request) {
    if (kernel_->full) return std::nullopt;
    kernel_->requests.push_back(request);
    return static_cast<std::uint32_t>(kernel_->requests.size() - 1);
  }
  void begin(const Request& request) {
    if (request.kind == Kind::accept || request.kind == Kind::receive) {
      kernel_->armed.insert(request.user);
    } else if (request.kind == Kind::cancel && kernel_->late) {
      kernel_->cancels_due.push_back(request);
    } else if (request.kind == Kind::cancel) {
      cancel(request);
    }
  }
  void cancel(const Request& request) {
    if (kernel_->armed.contains(request.target)) {
      kernel_->complete(request.target, -ECANCELED, false);
    } else {
      kernel_->due.push_back({.user = request.user, .result = -ENOENT});
    }
  }

  static inline Kernel* made_ = nullptr;
  std::unique_ptr<Kernel> kernel_ = std::make_unique<Kernel>();
};

static_assert(UringOf<ScriptedRing>);

/// The simulated kernel, with such a ring.
struct ScriptedSys : SimKernel {
  using Uring = ScriptedRing;
};

static_assert(Syscalls<ScriptedSys>);

}  // namespace skysock
