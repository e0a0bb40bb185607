#pragma once

// The server's half of a connect load: orders come as text over a control connection, and the
// server makes the connections. All but the I/O is here, so that every server that is compared does
// the same.

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace skysock {

/// "HOST PORT COUNT IN_FLIGHT": make COUNT connections to HOST:PORT, at most IN_FLIGHT at a time.
struct ConnectOrder {
  static constexpr std::uint64_t kCountMax = 1'000'000'000;
  static constexpr std::uint64_t kInFlightMax = 10'000;  ///< Half of a usual limit of open files.

  std::string host;  ///< A numeric IPv4 address.
  std::uint16_t port = 0;
  std::uint64_t count = 0;
  std::uint64_t in_flight = 0;

  [[nodiscard]] sockaddr_in address() const;
};

/// Error: one line that quotes the order and says what was expected.
std::expected<ConnectOrder, std::string> parse_connect_order(std::string_view line);

/// What the server sends on each connection, and what must come back, followed by the peer's FIN.
inline constexpr std::byte kConnectByte{'c'};

/// What comes back over one connection.
class ConnectAnswer {
 public:
  /// What is wrong with it once `bytes` have come; "" when nothing is.
  std::string_view feed(std::span<const std::byte> bytes);
  /// What is wrong with it when the peer's FIN has come; "" when nothing is.
  [[nodiscard]] std::string_view end() const;

 private:
  bool came_ = false;
};

/// The orders of one control connection, carried out one after another. An order that fails is
/// given up: whoever does the I/O then closes what is left of its connections, and knows by
/// number() which are of an order that is still on.
class ConnectSession {
 public:
  /// Bytes of orders that may wait while one is carried out; more are dropped.
  static constexpr std::size_t kWaitingBytesMax = 4'096;

  /// Takes bytes of the control connection, cut anywhere.
  void feed(std::span<const std::byte> bytes);

  /// Whether a connection is to be begun now, to order(); it counts as begun. Wrong orders are
  /// answered and skipped on the way.
  bool begin();
  /// Requires: begin() was true since the last order ended.
  [[nodiscard]] const ConnectOrder& order() const { return order_; }
  /// Changes whenever an order begins or ends.
  [[nodiscard]] std::uint64_t number() const { return number_; }

  /// One connection of the order has its answer and is closed. Requires: it is of order().
  void closed();
  /// The order is given up. Requires: one is on.
  void fail(std::string_view reason);

  /// What is to be sent over the control connection: whole lines; "" when nothing is.
  std::string take_replies();

 private:
  bool take_order();
  void refuse(std::string_view reason);

  std::string waiting_;
  std::string replies_;
  ConnectOrder order_;
  std::uint64_t number_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t closed_ = 0;
  bool on_ = false;
};

}  // namespace skysock
