#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "bench/load/loopback_listener.hpp"
#include "bench/load/socket.hpp"

namespace skysock::load {

/// What a tiny echo server does wrong on purpose.
enum class Flaw {
  none,
  flip_byte,    ///< The last byte of the answer comes back changed.
  extra_byte,   ///< The answer is one byte too long.
  close_early,  ///< Closes a connection instead of answering.
  silent,       ///< Never answers.
  crash,        ///< Writes to standard error and aborts instead of answering.
};

struct TinyEchoOptions {
  Flaw flaw = Flaw::none;
  unsigned flaw_at = 3;    ///< Which read of each connection is answered wrongly, from 1.
  std::uint64_t spin = 0;  ///< Rounds of mix64 (about a nanosecond each) burnt per read.
};

/// Serves echo on the calling thread until `stop` becomes readable (never, when it is -1).
void serve_tiny_echo(const Fd& listener, int stop, const TinyEchoOptions& options);

/// The same on its own thread, from construction to destruction.
class TinyEcho {
 public:
  explicit TinyEcho(TinyEchoOptions options = {});
  ~TinyEcho();
  TinyEcho(const TinyEcho&) = delete;
  TinyEcho& operator=(const TinyEcho&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_of(listener_); }

 private:
  Fd listener_;
  Fd stop_;
  std::thread thread_;
};

}  // namespace skysock::load
