#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "core/net/socket_server.hpp"
#include "core/net/tuning.hpp"
#include "core/sys/linux.hpp"

namespace skysock::bench::compare {

/// A whole socket server with one connection, to be told the same option again and again: what a
/// control packet costs when carrying it out costs next to nothing and needs no system call.
///
/// Everything but the reactor belongs to the thread that calls.
class OptionServer {
 public:
  /// Connects over loopback and waits until the connection is started. Nothing polls yet. Error:
  /// what failed.
  static load::Outcome<std::unique_ptr<OptionServer>> create(ChannelKind control);
  ~OptionServer();
  OptionServer(const OptionServer&) = delete;
  OptionServer& operator=(const OptionServer&) = delete;

  /// Lets a second thread give `packets` to a reactor that does not run, then runs it on this one.
  /// Returns how many read(2) it took. Requires: start() was not called; the channel has room.
  load::Outcome<std::uint64_t> reads_of_backlog(std::uint64_t packets);

  /// From now on a thread on `cpu` is the reactor.
  void start(std::optional<int> cpu);

  /// Gives `packets` and waits until all were carried out. Returns the seconds it took. Requires:
  /// start() was called. Error: they were not carried out in time, or not all.
  load::Outcome<double> carry(std::uint64_t packets);

 private:
  OptionServer() = default;
  load::Outcome<void> connect();
  /// Polls until `done()`; false after too long.
  template <typename Done>
  bool poll_until(Done done);
  [[nodiscard]] std::uint64_t carried_out() const;
  bool give(std::uint64_t packets);

  LinuxSys sys_;
  std::unique_ptr<SocketServer<LinuxSys>> server_;
  load::Fd client_;
  std::uint16_t port_ = 0;
  SocketId accepted_ = 0;
  int started_ = 0;      ///< Of listener and connection.
  std::string refusal_;  ///< An ERR that came.
  std::thread reactor_;
};

}  // namespace skysock::bench::compare
