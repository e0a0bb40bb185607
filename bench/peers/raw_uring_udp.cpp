// Datagrams on io_uring: one receive that stays armed, each answer sent from the buffer that the
// datagram came in.

#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>

#include <array>
#include <utility>

#include "bench/peers/server_modes.hpp"
#include "bench/peers/uring_ring.hpp"

namespace skysock::bench {
namespace {

using load::Outcome;

enum class Operation : std::uint8_t { stop, receive, send };

std::uint64_t tag(Operation operation, unsigned buffer) {
  return std::uint64_t{buffer} << 8U | std::to_underlying(operation);
}

constexpr std::size_t kDatagramMax = 65'507;
constexpr std::size_t kAddressMax = sizeof(sockaddr_in6);
static_assert(sizeof(io_uring_recvmsg_out) + kAddressMax + kDatagramMax <=
              UringRing::kBufferBytesMax);

/// What the kernel reads while an answer is under way.
struct Answer {
  iovec payload{};
  msghdr message{};
};

class Server {
 public:
  explicit Server(int socket) : socket_(socket) { expected_.msg_namelen = kAddressMax; }

  Outcome<void> run(int stop) {
    if (auto opened = ring_.open(); !opened) return opened;
    io_uring_prep_poll_add(&ring_.submission(tag(Operation::stop, 0)), stop, POLLIN);
    receive();
    while (!stopped_) {
      auto done = ring_.wait([this](const io_uring_cqe& one) { return complete(one); });
      if (!done) return done;
    }
    return {};
  }

 private:
  void receive() {
    io_uring_sqe& entry = ring_.submission(tag(Operation::receive, 0));
    io_uring_prep_recvmsg_multishot(&entry, socket_, &expected_, 0);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = UringRing::kGroup;
  }

  Outcome<void> complete(const io_uring_cqe& completion) {
    switch (static_cast<Operation>(completion.user_data & 0xffU)) {
      case Operation::stop:
        stopped_ = true;
        return {};
      case Operation::receive:
        received(completion);
        return {};
      case Operation::send:
        // What the kernel refused is lost, as datagrams are.
        ring_.give_back(static_cast<unsigned>(completion.user_data >> 8U));
        return {};
    }
    return {};
  }

  void received(const io_uring_cqe& completion) {
    // Other errors are those of earlier answers (their sender is gone).
    if (completion.res >= 0) {
      answer(completion.flags >> IORING_CQE_BUFFER_SHIFT, completion.res);
    } else if (completion.res == -ENOBUFS) {
      ring_.add_buffers();
    }
    if ((completion.flags & IORING_CQE_F_MORE) == 0) receive();
  }

  void answer(unsigned buffer, int size) {
    io_uring_recvmsg_out* got = io_uring_recvmsg_validate(ring_.buffer(buffer), size, &expected_);
    if (got == nullptr) return ring_.give_back(buffer);
    Answer& to = answers_[buffer];
    to.payload = {.iov_base = io_uring_recvmsg_payload(got, &expected_),
                  .iov_len = io_uring_recvmsg_payload_length(got, size, &expected_)};
    to.message = {.msg_name = io_uring_recvmsg_name(got),
                  .msg_namelen = got->namelen,
                  .msg_iov = &to.payload,
                  .msg_iovlen = 1};
    io_uring_prep_sendmsg(&ring_.submission(tag(Operation::send, buffer)), socket_, &to.message,
                          MSG_NOSIGNAL);
  }

  int socket_;
  bool stopped_ = false;
  msghdr expected_{};
  std::array<Answer, UringRing::kBuffers> answers_;  ///< By buffer.
  UringRing ring_{UringRing::kBufferBytesMax};       ///< Ends first.
};

}  // namespace

Outcome<void> serve_uring_udp(int socket, int stop) { return Server(socket).run(stop); }

}  // namespace skysock::bench
