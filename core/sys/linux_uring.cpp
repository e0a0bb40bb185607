#include "core/sys/linux_uring.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace skysock {
namespace {

/// Requests that may wait for the next enter(). A batch that has more begins the first ones early.
constexpr unsigned kRequests = 512;
/// Completions that fit: those of many connections at once. More are kept by the kernel, at a cost.
constexpr unsigned kCompletions = 4'096;
constexpr unsigned kFlags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                            IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
constexpr unsigned kFeatures =
    IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;

Result<void> nothing_or_error(int answer) {
  if (answer < 0) return Failure(errno_code(-answer));
  return {};
}

}  // namespace

Result<LinuxUring> LinuxUring::create(std::uint16_t buffers_max) {
  auto state = std::make_unique<State>();
  io_uring_params parameters{};
  parameters.flags = kFlags;
  parameters.cq_entries = kCompletions;
  io_uring made{};
  if (const auto set_up =
          nothing_or_error(io_uring_queue_init_params(kRequests, &made, &parameters));
      !set_up) {
    return Failure(set_up.error());
  }
  state->ring = made;
  if ((parameters.features & kFeatures) != kFeatures) {
    return failure(std::errc::function_not_supported);
  }
  if (const auto shared = share_buffers(*state, buffers_max); !shared) {
    return Failure(shared.error());
  }
  return LinuxUring(std::move(state));
}

Result<void> LinuxUring::share_buffers(State& state, std::uint16_t buffers_max) {
  void* memory = nullptr;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  if (::posix_memalign(&memory, page, buffers_max * sizeof(io_uring_buf)) != 0) {
    return failure(std::errc::not_enough_memory);
  }
  state.lent.reset(static_cast<io_uring_buf_ring*>(memory));
  io_uring_buf_ring_init(state.lent.get());
  state.lent_mask = io_uring_buf_ring_mask(buffers_max);
  io_uring_buf_reg description{};
  description.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
  description.ring_entries = buffers_max;
  description.bgid = kBufferGroup;
  return nothing_or_error(io_uring_register_buf_ring(&state.ring, &description, 0));
}

Result<void> LinuxUring::enable() {
  const int fd = state_->ring.ring_fd;
  return nothing_or_error(
      io_uring_register(static_cast<unsigned>(fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0));
}

io_uring_sqe* LinuxUring::next_after_submit() {
  io_uring_submit(&state_->ring);  // Whether it did shows in the next line.
  return io_uring_get_sqe(&state_->ring);
}

bool LinuxUring::poll(int fd, std::uint64_t user) {
  io_uring_sqe* request = next();
  if (request == nullptr) return false;
  io_uring_prep_poll_add(request, fd, POLLIN);
  request->user_data = user;
  return true;
}

bool LinuxUring::cancel(std::uint64_t target, std::uint64_t user) {
  io_uring_sqe* request = next();
  if (request == nullptr) return false;
  io_uring_prep_cancel64(request, target, 0);
  request->flags |= IOSQE_CQE_SKIP_SUCCESS;
  request->user_data = user;
  return true;
}

void LinuxUring::withdraw(std::uint32_t position) {
  io_uring_sq& queue = state_->ring.sq;
  io_uring_sqe* request = &queue.sqes[position & queue.ring_mask];
  const std::uint64_t user = request->user_data;
  io_uring_prep_nop(request);
  request->flags |= IOSQE_CQE_SKIP_SUCCESS;
  request->user_data = user;
}

Result<void> LinuxUring::enter(int timeout_ms) {
  io_uring* ring = &state_->ring;
  int answer = 0;
  if (timeout_ms == 0) {
    answer = io_uring_submit_and_get_events(ring);
  } else if (timeout_ms < 0) {
    answer = io_uring_submit_and_wait(ring, 1);
  } else {
    __kernel_timespec limit{.tv_sec = timeout_ms / 1'000,
                            .tv_nsec = std::int64_t{timeout_ms % 1'000} * 1'000'000};
    io_uring_cqe* first = nullptr;
    answer = io_uring_submit_and_wait_timeout(ring, &first, 1, &limit, nullptr);
  }
  if (answer == -ETIME || answer == -EINTR) return {};
  return nothing_or_error(answer);
}

Result<void> LinuxUring::cancel_all() {
  io_uring_sync_cancel_reg what{};
  what.fd = -1;
  what.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
  what.timeout = {.tv_sec = -1, .tv_nsec = -1};  // None.
  return nothing_or_error(io_uring_register_sync_cancel(&state_->ring, &what));
}

void LinuxUring::disconnect(int fd) { ::shutdown(fd, SHUT_RDWR); }

/// getpeername(2) knows no peer of a connection that was reset; SO_PEERNAME, which has to be asked
/// for the exact size, does.
Endpoint LinuxUring::peer_of(int fd) {
  sockaddr_storage storage{};
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  socklen_t length = sizeof storage;
  if (::getpeername(fd, address, &length) == 0) return Endpoint::from_sockaddr(address, length);
  for (const socklen_t size : {socklen_t{sizeof(sockaddr_in)}, socklen_t{sizeof(sockaddr_in6)}}) {
    length = size;
    const bool told = ::getsockopt(fd, SOL_SOCKET, SO_PEERNAME, address, &length) == 0;
    const bool v4 = size == sizeof(sockaddr_in);
    if (told && (address->sa_family == AF_INET) == v4) {
      return Endpoint::from_sockaddr(address, length);
    }
  }
  return {};
}

}  // namespace skysock
