#pragma once

#include <fmt/format.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "bench/load/outcome.hpp"
#include "core/base/check.hpp"

namespace skysock::bench {

inline std::unexpected<std::string> uring_failed(std::string_view call, int code) {
  return std::unexpected(fmt::format("raw_uring: {}: {}", call, load::errno_text(code)));
}

/// The ring, its table of files, and the buffers that the kernel receives into.
class UringRing {
 public:
  static constexpr unsigned kBuffers = 1'024;
  static constexpr int kGroup = 0;  ///< Of the buffers.
  static constexpr std::size_t kBufferBytes = 65'536;
  // A multiple of the page would put the starts of all buffers into the same few lines of a cache.
  static constexpr std::size_t kBufferBytesMax = kBufferBytes + 64;

  /// `buffer_bytes`: what the kernel may put into one buffer; at most kBufferBytesMax.
  explicit UringRing(std::size_t buffer_bytes = kBufferBytes)
      : buffer_bytes_(static_cast<unsigned>(buffer_bytes)) {}
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;
  ~UringRing() {
    if (is_open_) io_uring_queue_exit(&ring_);  // Before the buffers that it may still fill.
  }

  /// Requires: not called before; the calling thread is the one that uses the ring. Error: names
  /// what the kernel refused.
  load::Outcome<void> open() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = kCompletions;
    if (const int code = io_uring_queue_init_params(kSubmissions, &ring_, &params); code < 0) {
      return std::unexpected(fmt::format(
          "raw_uring: io_uring_setup: {}; expected Linux 6.1 or later, with io_uring allowed "
          "(sysctl kernel.io_uring_disabled, seccomp)",
          load::errno_text(-code)));
    }
    is_open_ = true;
    if (const int code = io_uring_register_ring_fd(&ring_); code < 0) {
      return uring_failed("io_uring_register_ring_fd", -code);
    }
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    const auto count = static_cast<unsigned>(std::min<rlim_t>(files.rlim_cur, kFilesMax));
    if (const int code = io_uring_register_files_sparse(&ring_, count); code < 0) {
      return uring_failed("io_uring_register_files_sparse", -code);
    }
    return open_pool();
  }

  io_uring& get() { return ring_; }

  /// Submits what waits, waits for a completion at least, and gives each to `complete`, whose
  /// Outcome<void> may end it.
  template <typename Complete>
  load::Outcome<void> wait(Complete&& complete) {
    const int code = io_uring_submit_and_wait(&ring_, 1);
    if (code < 0 && code != -EINTR) return uring_failed("io_uring_enter", -code);
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++count;
      if (load::Outcome<void> done = complete(*completion); !done) return done;
    }
    io_uring_cq_advance(&ring_, count);
    return {};
  }

  /// Submits what waits unless so many submissions can follow in one go, as a chain must.
  void make_room(unsigned count) {
    if (io_uring_sq_space_left(&ring_) < count) io_uring_submit(&ring_);
  }

  /// Where the next submission is written, with its tag, which the functions of liburing that fill
  /// it in leave; what waits is submitted when there is no room.
  io_uring_sqe& submission(std::uint64_t tag) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) {
      io_uring_submit(&ring_);
      entry = io_uring_get_sqe(&ring_);
      SKYSOCK_CHECK(entry != nullptr);
    }
    entry->user_data = tag;
    return *entry;
  }

  /// A multishot accept of connections into the table of files.
  void accept(std::uint64_t tag, int listener) {
    io_uring_prep_multishot_accept_direct(&submission(tag), listener, nullptr, nullptr, 0);
  }

  /// The place of the connection that a completion of accept() brought, which goes on; none when
  /// the peer was gone already. Error: the listener's.
  load::Outcome<std::optional<unsigned>> accepted(const io_uring_cqe& completion, int listener) {
    if ((completion.flags & IORING_CQE_F_MORE) == 0) accept(completion.user_data, listener);
    if (completion.res == -ECONNABORTED || completion.res == -EINTR) return std::nullopt;
    if (completion.res < 0) return uring_failed("accept", -completion.res);
    return static_cast<unsigned>(completion.res);
  }

  /// A multishot receive into the buffers.
  void receive(std::uint64_t tag, unsigned slot) {
    io_uring_sqe& entry = submission(tag);
    io_uring_prep_recv_multishot(&entry, static_cast<int>(slot), nullptr, 0, 0);
    entry.flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    entry.buf_group = kGroup;
  }

  void send(std::uint64_t tag, unsigned slot, std::span<const std::byte> bytes, int flags) {
    io_uring_sqe& entry = submission(tag);
    io_uring_prep_send(&entry, static_cast<int>(slot), bytes.data(), bytes.size(),
                       MSG_NOSIGNAL | flags);
    entry.flags |= IOSQE_FIXED_FILE;
  }

  /// Ends whatever is under way on a file: it is reported, a success of this is not. (A shutdown
  /// would look its file up on another thread, when the place may be another connection's.)
  void cancel_all(std::uint64_t tag, unsigned slot) {
    io_uring_sqe& entry = submission(tag);
    io_uring_prep_cancel_fd(&entry, static_cast<int>(slot),
                            IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD_FIXED);
    entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  }

  /// A success is not reported.
  void close(std::uint64_t tag, unsigned slot) {
    io_uring_sqe& entry = submission(tag);
    io_uring_prep_close_direct(&entry, slot);
    entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  }

  std::byte* buffer(unsigned id) { return buffers_[id].bytes.data(); }

  void give_back(unsigned id) {
    io_uring_buf_ring_add(pool_.get(), buffers_[id].bytes.data(), buffer_bytes_,
                          static_cast<unsigned short>(id), io_uring_buf_ring_mask(kBuffers), 0);
    io_uring_buf_ring_advance(pool_.get(), 1);
  }

  /// Doubles the number of buffers that go round. Few at first: what is used again soon is still in
  /// a cache.
  void add_buffers() {
    const unsigned wanted = std::clamp(2 * buffers_used_, kBuffersAtFirst, kBuffers);
    while (buffers_used_ < wanted) give_back(buffers_used_++);
  }

 private:
  static constexpr unsigned kSubmissions = 1'024;
  static constexpr unsigned kCompletions = 8'192;
  static constexpr unsigned kBuffersAtFirst = 32;
  static constexpr std::size_t kPoolBytes = kBuffers * sizeof(io_uring_buf);
  static constexpr unsigned kFilesMax = 1U << 20U;  // IORING_MAX_FIXED_FILES.

  struct alignas(64) Buffer {
    std::array<std::byte, kBufferBytesMax> bytes;
  };

  load::Outcome<void> open_pool() {
    void* memory = mmap(nullptr, kPoolBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);  // The kernel wants whole pages.
    if (memory == MAP_FAILED) return uring_failed("mmap", errno);
    pool_.reset(static_cast<io_uring_buf_ring*>(memory));
    io_uring_buf_ring_init(pool_.get());
    io_uring_buf_reg place{};
    place.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
    place.ring_entries = kBuffers;
    place.bgid = kGroup;
    if (const int code = io_uring_register_buf_ring(&ring_, &place, 0); code < 0) {
      return uring_failed("io_uring_register_buf_ring", -code);
    }
    add_buffers();
    return {};
  }

  struct Unmap {
    void operator()(io_uring_buf_ring* pool) const { munmap(pool, kPoolBytes); }
  };

  unsigned buffer_bytes_;
  io_uring ring_{};
  bool is_open_ = false;
  std::unique_ptr<io_uring_buf_ring, Unmap> pool_;
  // Memory that nobody touches before it is used. NOLINTNEXTLINE(modernize-avoid-c-arrays)
  std::unique_ptr<Buffer[]> buffers_ = std::make_unique_for_overwrite<Buffer[]>(kBuffers);
  unsigned buffers_used_ = 0;
};

}  // namespace skysock::bench
