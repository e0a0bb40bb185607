#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/sim/tcp_end.hpp"

namespace skysock {

/// The far end of a connection with the code under test, played by a test: a client that dialled
/// in, or a server that was connected to. Gives its orders outside the system calls: it is neither
/// counted nor hit by a fault plan. Dropping it closes it.
class SimPeer {
 public:
  explicit SimPeer(std::shared_ptr<TcpEnd> end) : end_(std::move(end)) {}

  /// Sends what fits into the buffers on the way; returns how many bytes that was, 0 also when the
  /// connection is gone. Requires, as everything below: not closed.
  std::size_t send(std::string_view bytes);

  /// Takes what has arrived, at most `bytes_max`.
  std::string read(std::size_t bytes_max = SIZE_MAX);

  /// All bytes were read, and a FIN or RST is behind them.
  [[nodiscard]] bool at_end() const { return end().at_end(); }
  /// A RST came in.
  [[nodiscard]] bool was_reset() const { return end().state() == TcpEnd::State::reset; }

  /// Sends FIN; reading goes on.
  void shutdown_write();
  /// As close(2): FIN, or RST when something is unread.
  void close() { end_.reset(); }
  /// Sends RST and closes.
  void reset();

  [[nodiscard]] const Endpoint& local() const { return end().local(); }
  [[nodiscard]] const Endpoint& remote() const { return end().remote(); }

 private:
  [[nodiscard]] TcpEnd& end() const;

  std::shared_ptr<TcpEnd> end_;
};

}  // namespace skysock
