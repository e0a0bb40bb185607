#pragma once

// The client of a scenario: blocking calls, each of which ends when the kernel has done its part,
// and looks at the server's ends of its connections, which are descriptors of the same process.

#include <cstddef>
#include <cstdint>
#include <span>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"

namespace skysock::bench::counts {

using load::Outcome;

/// A TCP connection, TCP_NODELAY, whose handshake is over. `receive_buffer` 0: the kernel's choice.
Outcome<load::Fd> connect_to(std::uint16_t port, int receive_buffer = 0);
/// A datagram socket whose peer is that port.
Outcome<load::Fd> connect_datagrams(std::uint16_t port);
/// A TCP socket that listens on a free port of 127.0.0.1.
Outcome<load::Fd> listen_here();
Outcome<std::uint16_t> port_of(int fd);

Outcome<void> send_all(int fd, std::span<const std::byte> bytes);
/// Exactly these bytes. Error: others, the end, none within 10 s.
Outcome<void> expect_bytes(int fd, std::span<const std::byte> bytes);
/// Sends FIN.
Outcome<void> end_sending(int fd);
/// Closes with RST.
Outcome<void> reset(load::Fd fd);

/// The descriptor of this process that is the other end of `client`. Requires: it was accepted.
Outcome<int> server_end(int client);
/// The descriptor of this process that listens on a free port for the server under test: the only
/// one. Error: there is none.
Outcome<int> server_listener();
/// The descriptor of this process that is a bound datagram socket.
Outcome<int> server_datagrams();

/// Waits until `fd` has one of `events` (see poll(2)). Error: not within 10 s.
Outcome<void> wait_for(int fd, short events);
/// Waits until `bytes` can be read from `fd` at once.
Outcome<void> wait_for_bytes(int fd, std::size_t bytes);

}  // namespace skysock::bench::counts
