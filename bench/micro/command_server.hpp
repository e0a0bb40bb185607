#pragma once

// A whole socket server whose reactor is the thread that calls, for benchmarks of single commands:
// give some, poll until they were carried out, look at what came of them.

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/load/outcome.hpp"
#include "bench/load/socket.hpp"
#include "core/net/socket_server.hpp"
#include "core/net/tuning.hpp"
#include "core/sys/linux.hpp"

namespace skysock::bench {

class CommandServer {
 public:
  static constexpr ServiceHandle kOwner = 1;

  /// A server that sends nothing directly, so that every send is a packet, with a stream (one end
  /// of a socketpair) and a datagram socket. Error: what failed.
  static load::Outcome<std::unique_ptr<CommandServer>> create(ChannelKind control);
  CommandServer(const CommandServer&) = delete;
  CommandServer& operator=(const CommandServer&) = delete;

  SocketServer<LinuxSys>& sockets() { return *server_; }

  [[nodiscard]] SocketId stream() const { return stream_; }
  /// The other end of the stream; blocking.
  [[nodiscard]] int stream_peer() const { return peer_.get(); }
  /// A descriptor that bind() may borrow.
  [[nodiscard]] int spare() const { return spare_.get(); }
  [[nodiscard]] SocketId datagrams() const { return datagrams_; }
  /// A bound datagram socket that is not the server's, and its address.
  [[nodiscard]] int receiver() const { return receiver_.get(); }
  [[nodiscard]] const UdpAddress& receiver_address() const { return receiver_address_; }
  /// A listener that is not the server's, on 127.0.0.1.
  [[nodiscard]] int listener() const { return listener_.get(); }
  [[nodiscard]] std::uint16_t listener_port() const { return listener_port_; }

  /// Polls until `packets` were carried out since the server began. Error: not in time, an ERR
  /// came, or a packet was malformed, stale or for a socket that could not take it.
  load::Outcome<void> carry_out(std::uint64_t packets);
  /// Packets that were carried out.
  [[nodiscard]] std::uint64_t carried_out() const { return server_->counts().packets; }

  /// Polls until `count` events of that kind came in all.
  load::Outcome<void> hear(EventKind kind, std::uint64_t count);
  [[nodiscard]] std::uint64_t heard(EventKind kind) const {
    return events_[static_cast<std::size_t>(kind)];
  }

 private:
  CommandServer() = default;
  load::Outcome<void> open_ends();
  load::Outcome<void> open_sockets();
  template <typename Done>
  load::Outcome<void> poll_until(Done done);

  LinuxSys sys_;
  load::Fd ours_;
  load::Fd peer_;
  load::Fd spare_;
  load::Fd spare_peer_;
  load::Fd receiver_;
  UdpAddress receiver_address_;
  load::Fd listener_;
  std::uint16_t listener_port_ = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(EventKind::handover) + 1> events_{};
  std::string refusal_;  ///< An ERR that came.
  SocketId stream_ = 0;
  SocketId datagrams_ = 0;
  std::unique_ptr<SocketServer<LinuxSys>> server_;
};

}  // namespace skysock::bench
