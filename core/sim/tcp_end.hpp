#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>

#include "core/base/result.hpp"
#include "core/sim/byte_fifo.hpp"
#include "core/sim/edges.hpp"
#include "core/sys/endpoint.hpp"

namespace skysock {

/// What TCP keeps of bytes on their way in one direction: the sender's half and the receiver's.
struct TcpBuffers {
  std::size_t send_bytes = 65'536;
  std::size_t window_bytes = 65'536;
};

/// One end of a simulated TCP connection, behind a descriptor or a SimPeer. Segments travel at
/// once; what the other end's window cannot take stays, as on a real host, in this end's send
/// buffer. Dropping an end closes it like close(2): FIN, or RST when received bytes are unread.
///
/// Source: tcp_poll(), tcp_recvmsg(), tcp_sendmsg(), tcp_reset(), tcp_close() of Linux;
/// kernel_conformance_test.cpp holds this class against them.
class TcpEnd {
 public:
  enum class State : std::uint8_t { fresh, connecting, connected, refused, reset };

  TcpEnd(int family, TcpBuffers buffers);
  TcpEnd(const TcpEnd&) = delete;
  TcpEnd& operator=(const TcpEnd&) = delete;
  ~TcpEnd();

  /// Completes the handshake. Requires: neither is connected.
  static void join(const std::shared_ptr<TcpEnd>& left, const std::shared_ptr<TcpEnd>& right);

  /// Sends a SYN that is not answered yet. Requires: fresh.
  void start_connecting(const Endpoint& remote);
  /// RST in answer to the SYN. Requires: connecting.
  void refuse();

  /// What connect(2) answers once a SYN was sent: EALREADY, then the outcome, once, then EISCONN. A
  /// failure that is told makes this end fresh. Requires: not fresh.
  Result<void> connect_outcome();

  /// As sendmsg(2), but takes at most `limit` bytes. Errors: EAGAIN, EPIPE, ECONNRESET, ...
  Result<std::size_t> send(std::span<const iovec> parts, std::size_t limit = SIZE_MAX);
  /// As read(2). Errors: EAGAIN, ENOTCONN, ECONNRESET, ...
  Result<std::size_t> read(std::span<std::byte> into);
  /// As shutdown(2) with SHUT_WR. Errors: ENOTCONN.
  Result<void> shutdown_write();
  /// As SO_ERROR: 0 or an errno, once.
  int take_error();
  /// Sends RST; nothing more can be done with this end.
  void abort();

  /// Bytes that are on their way or have arrived stay where they are.
  void set_send_bytes(std::size_t bytes);
  void set_window_bytes(std::size_t bytes);

  /// The epoll(7) bits that hold now, whoever asks for them. Found not writable, this end wakes
  /// those who wait when it is again.
  [[nodiscard]] std::uint32_t readiness();
  [[nodiscard]] Edges& edges() { return edges_; }
  [[nodiscard]] State state() const { return state_; }
  /// Everything that will ever be received is read.
  [[nodiscard]] bool at_end() const;
  /// Established, and at least one direction is open.
  [[nodiscard]] bool is_up() const;

  [[nodiscard]] int family() const { return family_; }
  [[nodiscard]] const Endpoint& local() const { return local_; }
  [[nodiscard]] const Endpoint& remote() const { return remote_; }
  void set_local(const Endpoint& local) { local_ = local; }

 private:
  [[nodiscard]] bool dead() const { return state_ == State::refused || state_ == State::reset; }
  [[nodiscard]] bool fin_arrived() const;
  [[nodiscard]] bool writable() const;
  [[nodiscard]] std::size_t room() const;
  [[nodiscard]] std::size_t unsent() const;
  [[nodiscard]] std::size_t arrived() const;
  void receive_bytes(std::span<const iovec> parts, std::size_t limit);
  void receive_fin();
  void receive_reset();
  void window_opened(std::size_t outside, bool fin_before);
  void space_came();
  std::size_t transmit(std::span<const iovec> parts, std::size_t limit);
  Failure error_or(std::errc otherwise);

  int family_;
  TcpBuffers buffers_;
  State state_ = State::fresh;
  Endpoint local_;
  Endpoint remote_;
  std::weak_ptr<TcpEnd> other_;  ///< Expired: the other end is closed and answers bytes with RST.
  ByteFifo incoming_;    ///< The first window_bytes arrived, the rest is in the other send buffer.
  bool fin_in_ = false;  ///< A FIN is behind the last byte of incoming_.
  bool fin_out_ = false;
  bool outcome_untold_ = false;  ///< SS_CONNECTING: no call has told how the connect ended.
  bool wants_space_ = false;     ///< SOCK_NOSPACE: somebody was told that it is not writable.
  int error_ = 0;                ///< SO_ERROR.
  Edges edges_;
};

}  // namespace skysock
