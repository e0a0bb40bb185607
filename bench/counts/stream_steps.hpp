#pragma once

// The client's part of the scenarios over sockets: the same for every server that answers so.

#include <cstddef>
#include <cstdint>

#include "bench/counts/stage.hpp"
#include "bench/load/socket.hpp"

namespace skysock::bench::counts {

/// Rounds before the counted ones: buffers have found their sizes, pools are filled.
inline constexpr std::uint64_t kWarmRounds = 40;

/// A connection that the server accepted. Both ends are of this process.
struct Connection {
  load::Fd client;
  int server = -1;
};

/// Requires: stage.lock_step() was called. `receive_buffer` is the client's; 0: the kernel's
/// choice.
load::Outcome<Connection> connect_to_server(Stage& stage, int listener, int receive_buffer = 0);

struct EchoSteps {
  std::size_t connections = 1;
  std::size_t bytes = 64;  ///< Of what is sent.
  std::size_t header = 0;  ///< How many of them are the length of the rest, big endian.
  bool answered = true;    ///< Every byte comes back.
  /// The server sends when it waits again (io_uring), so each answer is looked at a round later.
  bool sends_at_wait = false;
};

/// Connects to the server that listens in this process, then `operations` messages, all connections
/// in step. Error: an answer was wrong; operations are no multiple of the connections.
load::Outcome<void> echo_steps(Stage& stage, const EchoSteps& echo, std::uint64_t operations);

enum class Ending : std::uint8_t { fin, rst };

/// One connection after the other is made and ends; with FIN after a byte that comes back.
load::Outcome<void> accept_steps(Stage& stage, Ending ending, std::uint64_t operations);

/// One datagram after the other to the datagram socket of this process, and back.
load::Outcome<void> datagram_steps(Stage& stage, std::uint64_t operations);

}  // namespace skysock::bench::counts
