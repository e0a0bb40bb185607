#include "core/sim/tcp_end.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace skysock {

TcpEnd::TcpEnd(int family, TcpBuffers buffers) : family_(family), buffers_(buffers) {
  SKYSOCK_CHECK(buffers.send_bytes > 0 && buffers.window_bytes > 0);
}

TcpEnd::~TcpEnd() {
  const auto other = other_.lock();
  if (!is_up() || !other) return;
  if (!incoming_.empty()) {
    other->receive_reset();
  } else if (!fin_out_) {
    other->receive_fin();
  }
}

void TcpEnd::join(const std::shared_ptr<TcpEnd>& left, const std::shared_ptr<TcpEnd>& right) {
  for (const auto& [end, other] : {std::pair(left, right), std::pair(right, left)}) {
    SKYSOCK_CHECK(end->state_ == State::fresh || end->state_ == State::connecting);
    end->state_ = State::connected;
    end->other_ = other;
    end->remote_ = other->local_;
    end->edges_.any();
  }
}

void TcpEnd::start_connecting(const Endpoint& remote) {
  SKYSOCK_CHECK(state_ == State::fresh);
  state_ = State::connecting;
  outcome_untold_ = true;
  remote_ = remote;
}

void TcpEnd::refuse() {
  SKYSOCK_CHECK(state_ == State::connecting);
  state_ = State::refused;
  error_ = ECONNREFUSED;
  edges_.any();
}

Result<void> TcpEnd::connect_outcome() {
  if (state_ == State::connecting) return failure(std::errc::connection_already_in_progress);
  if (!std::exchange(outcome_untold_, false)) return failure(std::errc::already_connected);
  if (!dead()) return {};
  const Failure reason = error_or(std::errc::connection_aborted);
  state_ = State::fresh;  // tcp_disconnect().
  incoming_.keep_oldest(0);
  fin_in_ = fin_out_ = false;
  edges_.any();
  return reason;
}

Result<std::size_t> TcpEnd::send(std::span<const iovec> parts, std::size_t limit) {
  if (state_ == State::connecting) return failure(std::errc::resource_unavailable_try_again);
  if (state_ != State::connected || fin_out_) return error_or(std::errc::broken_pipe);
  std::size_t offered = 0;
  for (const iovec& part : parts) offered += part.iov_len;
  if (offered == 0) return 0;
  const std::size_t taken = std::min({offered, limit, room()});
  if (taken < std::min(offered, limit)) wants_space_ = true;
  if (taken == 0) return failure(std::errc::resource_unavailable_try_again);
  return transmit(parts, taken);
}

std::size_t TcpEnd::transmit(std::span<const iovec> parts, std::size_t limit) {
  const auto other = other_.lock();
  if (!other) {
    receive_reset();  // Sent well, and answered with RST.
    return limit;
  }
  other->receive_bytes(parts, limit);
  return limit;
}

void TcpEnd::receive_bytes(std::span<const iovec> parts, std::size_t limit) {
  const std::size_t arrived_before = arrived();
  for (const iovec& part : parts) {
    const std::size_t count = std::min(part.iov_len, limit);
    incoming_.push({static_cast<const std::byte*>(part.iov_base), count});
    limit -= count;
  }
  if (arrived() > arrived_before) edges_.readable();
}

Result<std::size_t> TcpEnd::read(std::span<std::byte> into) {
  if (!incoming_.empty()) {
    // One call gets at most what has arrived; taking it lets the other end send on.
    const std::size_t outside = incoming_.size() - arrived();
    const bool fin_before = fin_arrived();
    const std::size_t count = incoming_.pop(into.first(std::min(into.size(), arrived())));
    window_opened(outside, fin_before);
    return count;
  }
  if (fin_arrived()) return 0;
  if (error_ != 0) return Failure(errno_code(take_error()));
  if (dead()) return 0;
  if (state_ == State::fresh) return failure(std::errc::not_connected);
  return failure(std::errc::resource_unavailable_try_again);
}

Result<void> TcpEnd::shutdown_write() {
  if (state_ == State::connecting) {
    state_ = State::fresh;  // tcp_disconnect().
    error_ = ECONNRESET;
    edges_.any();
    return {};
  }
  if (!is_up()) {
    edges_.any();  // inet_shutdown() wakes even when it fails.
    return failure(std::errc::not_connected);
  }
  outcome_untold_ = false;
  const bool first = !std::exchange(fin_out_, true);
  edges_.any();
  if (const auto other = other_.lock(); first && other) other->receive_fin();
  return {};
}

int TcpEnd::take_error() { return std::exchange(error_, 0); }

void TcpEnd::abort() {
  const auto other = other_.lock();
  if (is_up() && other) other->receive_reset();
  incoming_.keep_oldest(0);
  state_ = State::reset;
}

void TcpEnd::set_send_bytes(std::size_t bytes) {
  buffers_.send_bytes = std::max({bytes, unsent(), std::size_t{1}});
  space_came();
}

void TcpEnd::set_window_bytes(std::size_t bytes) {
  const std::size_t outside = incoming_.size() - arrived();
  const bool fin_before = fin_arrived();
  buffers_.window_bytes = std::max({bytes, arrived(), std::size_t{1}});
  window_opened(outside, fin_before);
}

std::uint32_t TcpEnd::readiness() {
  std::uint32_t bits = error_ != 0 ? std::uint32_t{EPOLLERR} : 0;
  if (state_ == State::connecting) return bits;
  const bool no_more_in = fin_arrived() || dead();
  const bool no_more_out = fin_out_ || dead();
  if ((no_more_in && no_more_out) || state_ == State::fresh) bits |= EPOLLHUP;
  if (no_more_in) bits |= EPOLLIN | EPOLLRDHUP;
  if (!incoming_.empty()) bits |= EPOLLIN;
  if (no_more_out || writable()) {
    bits |= EPOLLOUT;
  } else {
    wants_space_ = true;
  }
  return bits;
}

bool TcpEnd::at_end() const { return incoming_.empty() && (fin_arrived() || dead()); }

bool TcpEnd::is_up() const { return state_ == State::connected && !(fin_out_ && fin_arrived()); }

bool TcpEnd::fin_arrived() const { return fin_in_ && incoming_.size() <= buffers_.window_bytes; }

/// Bytes that a read can have; those behind them wait outside the window.
std::size_t TcpEnd::arrived() const { return std::min(incoming_.size(), buffers_.window_bytes); }

/// The window has room again: the other end sends what was `outside`, then its FIN.
void TcpEnd::window_opened(std::size_t outside, bool fin_before) {
  if (incoming_.size() - arrived() < outside) edges_.readable();
  if (fin_arrived() && !fin_before) edges_.any();
  if (const auto other = other_.lock()) other->space_came();
}

void TcpEnd::space_came() {
  if (!wants_space_ || !writable()) return;
  wants_space_ = false;
  edges_.writable();
}

/// Bytes of this end that the other end's window has no room for.
std::size_t TcpEnd::unsent() const {
  const auto other = other_.lock();
  return other ? other->incoming_.size() - other->arrived() : 0;
}

std::size_t TcpEnd::room() const {
  const auto other = other_.lock();
  if (!other) return buffers_.send_bytes;
  return buffers_.send_bytes + other->buffers_.window_bytes - other->incoming_.size();
}

/// Not at the first free byte: a third of the send buffer has to be free. Source:
/// sk_stream_is_writeable().
bool TcpEnd::writable() const {
  const std::size_t queued = unsent();
  return queued < buffers_.send_bytes && (buffers_.send_bytes - queued) * 2 >= queued;
}

void TcpEnd::receive_fin() {
  fin_in_ = true;
  if (fin_arrived()) edges_.any();
}

void TcpEnd::receive_reset() {
  if (!is_up()) return;
  error_ = fin_arrived() && !fin_out_ ? EPIPE : ECONNRESET;
  // The sender's buffer is gone, and with it a FIN that had not left yet.
  fin_in_ = fin_arrived();
  incoming_.keep_oldest(buffers_.window_bytes);
  state_ = State::reset;
  edges_.any();
}

/// The pending error, once; then `otherwise`.
Failure TcpEnd::error_or(std::errc otherwise) {
  return error_ != 0 ? Failure(errno_code(take_error())) : failure(otherwise);
}

}  // namespace skysock
