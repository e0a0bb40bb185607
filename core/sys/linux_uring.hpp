#pragma once

#include <liburing.h>

#include <cstdlib>
#include <memory>

#include "core/sys/uring.hpp"

namespace skysock {

/// Linux's io_uring, by liburing. Needs Linux 6.1: completions are made only inside enter(), so
/// nothing happens behind the back of the thread that uses it.
class LinuxUring {
 public:
  /// Errors: ENOSYS or EINVAL of a kernel that is too old, EPERM where it is forbidden, ENOMEM.
  static Result<LinuxUring> create(std::uint16_t buffers_max);
  Result<void> enable();

  bool accept(int fd, std::uint64_t user) {
    io_uring_sqe* request = next();
    if (request == nullptr) return false;
    io_uring_prep_multishot_accept(request, fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    request->user_data = user;
    return true;
  }

  bool receive(int fd, std::uint64_t user) {
    io_uring_sqe* request = next();
    if (request == nullptr) return false;
    io_uring_prep_recv_multishot(request, fd, nullptr, 0, 0);
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = kBufferGroup;
    request->user_data = user;
    return true;
  }

  bool poll(int fd, std::uint64_t user);
  bool cancel(std::uint64_t target, std::uint64_t user);

  /// Without MSG_WAITALL a short send would count as a success, and have no completion.
  std::optional<std::uint32_t> send(int fd, std::span<const std::byte> from, std::uint64_t user) {
    io_uring_sqe* request = next();
    if (request == nullptr) return std::nullopt;
    io_uring_prep_send(request, fd, from.data(), from.size(),
                       MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL);
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    request->user_data = user;
    return state_->ring.sq.sqe_tail - 1;
  }

  [[nodiscard]] bool has_begun(std::uint32_t position) const {
    const std::uint32_t begun = io_uring_smp_load_acquire(state_->ring.sq.khead);
    return static_cast<std::int32_t>(begun - position) > 0;
  }
  void withdraw(std::uint32_t position);

  Result<void> enter(int timeout_ms);

  template <typename Each>
  void take(Each&& each) {
    io_uring* ring = &state_->ring;
    do {
      unsigned head = 0;
      unsigned count = 0;
      io_uring_cqe* one = nullptr;
      io_uring_for_each_cqe(ring, head, one) {
        ++count;
        each(UringCompletion{
            .user = one->user_data,
            .result = one->res,
            .more = (one->flags & IORING_CQE_F_MORE) != 0,
            .has_buffer = (one->flags & IORING_CQE_F_BUFFER) != 0,
            .buffer = static_cast<std::uint16_t>(one->flags >> IORING_CQE_BUFFER_SHIFT)});
      }
      io_uring_cq_advance(ring, count);
    } while (fetch_overflow());
  }

  Result<void> cancel_all();
  void disconnect(int fd);

  void lend(std::uint16_t buffer, std::span<std::byte> memory) {
    io_uring_buf_ring_add(state_->lent.get(), memory.data(), static_cast<unsigned>(memory.size()),
                          buffer, state_->lent_mask, 0);
    io_uring_buf_ring_advance(state_->lent.get(), 1);
  }

  Endpoint peer_of(int fd);

 private:
  static constexpr std::uint16_t kBufferGroup = 0;

  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  /// It stays where it is while its owner moves.
  struct State {
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
      if (ring.ring_fd >= 0) io_uring_queue_exit(&ring);
    }

    std::unique_ptr<io_uring_buf_ring, Free> lent;  ///< Outlives the ring, which knows it.
    int lent_mask = 0;
    io_uring ring{.ring_fd = -1};
  };

  explicit LinuxUring(std::unique_ptr<State> state) : state_(std::move(state)) {}

  static Result<void> share_buffers(State& state, std::uint16_t buffers_max);

  /// A place for a request; nullptr: there is none.
  io_uring_sqe* next() {
    io_uring_sqe* request = io_uring_get_sqe(&state_->ring);
    return request != nullptr ? request : next_after_submit();
  }
  io_uring_sqe* next_after_submit();

  /// Whether completions that the ring had no room for have come into it now.
  bool fetch_overflow() {
    if ((*state_->ring.sq.kflags & IORING_SQ_CQ_OVERFLOW) == 0) [[likely]]
      return false;
    return io_uring_get_events(&state_->ring) >= 0;
  }

  std::unique_ptr<State> state_;
};

static_assert(UringOf<LinuxUring>);

}  // namespace skysock
