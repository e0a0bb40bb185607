#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "bench/load/work.hpp"

namespace skysock::load {

struct ConnectOptions {
  std::string host = "127.0.0.1";  ///< Where a server of mode `connect` listens for orders.
  std::uint16_t port = 0;
  std::uint64_t order = 256;  ///< Connections of one order.
  std::uint64_t in_flight = 16;
  std::chrono::milliseconds deadline{10'000};  ///< For `open`, and again for each `run`.
};

/// Connections that a server makes: it is told over a control connection to make some to this load,
/// which accepts each, reads the byte 'c', answers it, sends FIN and waits for the server's. So
/// TIME_WAIT stays here; eight addresses of 127.0.0.0/8 take turns so that the server has ports.
/// One thread, the caller's. Any error leaves the load unusable.
class ConnectLoad {
 public:
  /// Listens, connects to the server and has one connection made at each address.
  [[nodiscard]] static Outcome<ConnectLoad> open(ConnectOptions options);

  /// Has `operations` connections made, one order after the other. Outcome: wall time from the
  /// first order to the end of the last. No order and no connection is open before or after.
  [[nodiscard]] Outcome<std::chrono::nanoseconds> run(std::uint64_t operations);

  /// Gives orders until `duration` has passed, then waits for the last one. No order and no
  /// connection is open before or after.
  [[nodiscard]] Outcome<Work> run_for(std::chrono::nanoseconds duration);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Connection {
    Fd fd;
    std::uint64_t number = 0;  ///< In its order, from 1.
    bool answered = false;
  };

  ConnectLoad(ConnectOptions options, Target target, EdgePoll poll);

  [[nodiscard]] Outcome<void> listen();
  /// Gives an order and waits until it is carried out.
  [[nodiscard]] Outcome<void> order(std::uint64_t count, Time deadline);
  [[nodiscard]] Outcome<void> send_order();
  [[nodiscard]] Outcome<void> serve(std::uint64_t tag, std::uint32_t events);
  [[nodiscard]] Outcome<void> accept_all(std::size_t listener);
  [[nodiscard]] Outcome<void> begin(Fd fd);
  [[nodiscard]] Outcome<void> receive(std::size_t index);
  [[nodiscard]] Outcome<void> answer(Connection& connection, std::size_t count, std::byte letter);
  [[nodiscard]] Outcome<void> read_control();
  [[nodiscard]] Outcome<void> check_line(const std::string& line);
  /// "127.0.0.1:8001, connection 3 of an order of 256".
  [[nodiscard]] std::string name(std::uint64_t number) const;
  [[nodiscard]] std::string late() const;

  ConnectOptions options_;
  Target target_;
  EdgePoll poll_;
  Fd control_;
  std::string control_text_;  ///< Received, not a whole line yet.
  std::vector<Fd> listeners_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> free_;  ///< Places in `connections_`.
  std::uint64_t orders_ = 0;       ///< Since `open`.
  // Of this order:
  std::uint64_t ordered_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t ended_ = 0;
  bool done_ = false;
};

}  // namespace skysock::load
