#pragma once

// One server loop written twice, with system calls of its own and through LinuxSys, the seam that
// core/net has instead. Server and client share the calling thread, so each step is determined.

#include <cstdint>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"

namespace skysock::bench {

enum class Calls : std::uint8_t { direct, linux_sys };

enum class SeamScenario : std::uint8_t {
  socketpair,  ///< A message of 64 bytes there and back: epoll_wait, recv, send.
  tcp,         ///< The same over loopback TCP.
  accept,      ///< A connection that is accepted and closed: epoll_wait, accept4, close.
};

inline constexpr const char* kSeamNames[] = {"socketpair", "tcp", "accept"};  // By SeamScenario.

class SeamLoop {
 public:
  static load::Outcome<SeamLoop> open(SeamScenario scenario);

  /// One operation, its answer checked. Blocks only in the kernel. False: a call failed, or a wrong
  /// byte came back.
  bool run(Calls calls) { return scenario_ == SeamScenario::accept ? connect(calls) : echo(calls); }

 private:
  explicit SeamLoop(SeamScenario scenario) : scenario_(scenario) {}
  load::Outcome<void> open_pair();
  load::Outcome<void> open_tcp();
  load::Outcome<void> watch(const load::Fd& fd);
  bool echo(Calls calls);
  bool connect(Calls calls);

  SeamScenario scenario_;
  load::Fd epoll_;
  load::Fd listener_;
  load::Fd server_;
  load::Fd client_;
  load::Target target_;         ///< Of listener_.
  std::uint64_t messages_ = 0;  ///< Each message says which it is.
};

}  // namespace skysock::bench
