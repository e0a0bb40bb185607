#include "stress/connection.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/check.hpp"

namespace skysock::stress {
namespace {

/// System calls per direction for one event, so that no connection starves the others of its
/// process.
constexpr int kCallsPerEvent = 8;

std::string text_of(int error) { return std::generic_category().message(error); }

/// A connect to a dead local port can meet itself (the kernel may choose the same port as source);
/// it would then echo all bytes, and pass.
bool is_connected_to_itself(int fd) {
  sockaddr_storage local{};
  sockaddr_storage peer{};
  socklen_t local_bytes = sizeof local;
  socklen_t peer_bytes = sizeof peer;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_bytes) != 0) return false;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_bytes) != 0) return false;
  return local_bytes == peer_bytes && std::memcmp(&local, &peer, local_bytes) == 0;
}

}  // namespace

Connection::Connection(const Plan& plan, std::uint64_t seed, Totals& totals)
    : plan_(plan),
      sizes_(sizes_of(seed, plan.connection)),
      ledger_(seed, plan.connection, totals),
      messages_left_(plan.messages) {}

Connection::Status Connection::open(const Target& target) {
  fd_ = Descriptor(::socket(target.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return refuse("socket: " + text_of(errno));
  if (plan_.receive_buffer_bytes > 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &plan_.receive_buffer_bytes, sizeof(int));
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&target.address);
  if (::connect(fd_.get(), address, target.address_bytes) == 0 || errno == EINPROGRESS) {
    return Status::going;
  }
  if (errno == EADDRNOTAVAIL || errno == EAGAIN) return Status::no_local_port;
  return refuse(text_of(errno));
}

Connection::Status Connection::advance(std::span<std::byte> scratch) {
  SKYSOCK_CHECK(scratch.size() >= std::max(kReadBytesMax, kWriteBytesMax));
  if (phase_ == Phase::connecting) {
    const Status status = finish_connect();
    if (status != Status::going || phase_ == Phase::connecting) return status;
  }
  if (phase_ == Phase::sending) write_some(scratch);
  const Status status = read_some(scratch);
  if (status != Status::going) return status;
  end_sending_if_done();  // Reading may have been what the last message waited for.
  return close_if_drained();
}

Connection::Status Connection::finish_connect() {
  int error = 0;
  socklen_t bytes = sizeof error;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &bytes) != 0) error = errno;
  if (error != 0) return refuse(text_of(error));
  sockaddr_storage peer{};
  socklen_t peer_bytes = sizeof peer;
  if (::getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &peer_bytes) != 0) {
    return Status::going;  // Not connected yet.
  }
  if (is_connected_to_itself(fd_.get())) {
    return refuse("nobody listens (the kernel connected the socket to itself)");
  }
  phase_ = Phase::sending;
  ++progress_;
  return Status::going;
}

bool Connection::begin_message() {
  while (!message_ends_.empty() && message_ends_.front() <= ledger_.bytes_verified()) {
    message_ends_.pop_front();
  }
  if (messages_left_ == 0 || message_ends_.size() >= plan_.in_flight_max) return false;
  --messages_left_;
  begun_bytes_ += log_uniform(sizes_, plan_.message_bytes_max);
  message_ends_.push_back(begun_bytes_);
  return true;
}

std::uint64_t Connection::writable_bytes() {
  if (begun_bytes_ == ledger_.bytes_sent()) begin_message();
  return begun_bytes_ - ledger_.bytes_sent();
}

void Connection::write_some(std::span<std::byte> scratch) {
  for (int calls = 0; calls < kCallsPerEvent && write_error_ == 0; ++calls) {
    const std::uint64_t bytes = writable_bytes();
    if (bytes == 0) break;
    const std::uint64_t bound = log_uniform(sizes_, plan_.write_bytes_max);
    const auto chunk = scratch.first(std::min(bytes, bound));
    ledger_.pattern().fill(ledger_.bytes_sent(), chunk);
    const ssize_t written = ::send(fd_.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
    if (written < 0) {
      if (errno != EAGAIN && errno != EINTR) write_error_ = errno;
      break;
    }
    ledger_.sent(static_cast<std::uint64_t>(written));
    progress_ += static_cast<std::uint64_t>(written);
  }
  end_sending_if_done();
}

void Connection::end_sending_if_done() {
  if (phase_ != Phase::sending || write_error_ != 0) return;
  if (messages_left_ > 0 || begun_bytes_ != ledger_.bytes_sent()) return;
  ledger_.finished_sending(plan_.ending);
  ++progress_;
  if (plan_.ending == Ending::drain_then_close) {
    phase_ = Phase::awaiting_bytes;
    return;
  }
  phase_ = Phase::awaiting_end;
  ::shutdown(fd_.get(), SHUT_WR);  // It fails only on a reset, which reading reports.
}

Connection::Status Connection::read_some(std::span<std::byte> scratch) {
  for (int calls = 0; calls < kCallsPerEvent; ++calls) {
    const auto into = scratch.first(plan_.read_bytes_max);
    const ssize_t got = ::recv(fd_.get(), into.data(), into.size(), 0);
    if (got == 0) return stream_ended(write_error_);
    if (got < 0) {
      const bool retry = errno == EAGAIN || errno == EINTR;
      if (retry && write_error_ == 0) return Status::going;
      return stream_ended(retry ? write_error_ : errno);
    }
    progress_ += static_cast<std::uint64_t>(got);
    auto finding = ledger_.received(into.first(static_cast<std::size_t>(got)));
    if (finding) return fail(std::move(*finding));
  }
  return Status::going;
}

Connection::Status Connection::stream_ended(int error) {
  auto finding = ledger_.stream_ended({error, std::generic_category()});
  if (finding) return fail(std::move(*finding));
  phase_ = Phase::over;
  fd_.reset();
  return Status::complete;
}

Connection::Status Connection::close_if_drained() {
  if (phase_ != Phase::awaiting_bytes || !ledger_.all_back()) return Status::going;
  std::byte extra{};  // Bytes that are already here and were never sent must not be closed away.
  const ssize_t got = ::recv(fd_.get(), &extra, 1, 0);
  if (got == 0) return stream_ended(0);
  if (got > 0) return fail(*ledger_.received({&extra, 1}));
  if (errno != EAGAIN && errno != EINTR) return stream_ended(errno);
  ledger_.closed();
  phase_ = Phase::over;
  fd_.reset();
  return Status::complete;
}

void Connection::stop_sending() {
  messages_left_ = 0;
  begun_bytes_ = std::max<std::uint64_t>(ledger_.bytes_sent(), 1);
  if (phase_ == Phase::sending) end_sending_if_done();
}

bool Connection::wants_write() const {
  if (phase_ == Phase::connecting) return true;
  if (phase_ != Phase::sending) return false;
  if (begun_bytes_ > ledger_.bytes_sent()) return true;
  const auto done = [this](std::uint64_t end) { return end <= ledger_.bytes_verified(); };
  const auto in_flight =
      message_ends_.size() - static_cast<std::size_t>(std::ranges::count_if(message_ends_, done));
  return messages_left_ > 0 && in_flight < plan_.in_flight_max;
}

std::string_view Connection::awaited() const {
  if (phase_ == Phase::connecting) return "the connection to be made";
  if (phase_ == Phase::awaiting_end && ledger_.all_back()) return "end of stream";
  if (phase_ == Phase::sending && begun_bytes_ > ledger_.bytes_sent()) {
    return "the server to read or to answer";
  }
  return "bytes to come back";
}

Finding Connection::give_up(double idle_s, std::string_view reason) {
  const std::string waiting_for =
      reason.empty() ? std::string(awaited()) : fmt::format("{} ({})", awaited(), reason);
  fail(ledger_.hung(waiting_for, idle_s));
  return *finding_;
}

Connection::Status Connection::refuse(std::string_view reason) {
  return fail(ledger_.refused(reason));
}

Connection::Status Connection::fail(Finding finding) {
  finding_ = std::move(finding);
  phase_ = Phase::over;
  fd_.reset();
  return Status::failed;
}

}  // namespace skysock::stress
