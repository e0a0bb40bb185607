#include "bench/micro/dispatch_commands.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "core/base/stream_pattern.hpp"
#include "core/net/control_packet.hpp"

namespace skysock::bench {
namespace {

using load::Outcome;

constexpr ServiceHandle kOwner = CommandServer::kOwner;
constexpr std::size_t kMessageBytes = 64;

std::unexpected<std::string> refused(const std::error_code& error) {
  return std::unexpected("a command was refused: " + error.message());
}

/// Calls `give` for each command, lets the server carry out `packets` per command and waits until
/// it said `answer` once per command.
template <typename Give>
Outcome<void> answered(CommandServer& server, std::uint64_t packets, EventKind answer, Give give) {
  const std::uint64_t carried = server.carried_out();
  const std::uint64_t heard = server.heard(answer);
  for (std::uint64_t command = 0; command < kDispatchBatch; ++command) {
    if (const Result<void> given = give(); !given) return refused(given.error());
  }
  if (auto done = server.carry_out(carried + packets * kDispatchBatch); !done) return done;
  if (auto done = server.hear(answer, heard + kDispatchBatch); !done) return done;
  if (server.heard(answer) == heard + kDispatchBatch) return {};
  return std::unexpected("an answer came twice");
}

/// As answered(), of commands that nobody is told of.
template <typename Give>
Outcome<void> silent(CommandServer& server, Give give) {
  const std::uint64_t carried = server.carried_out();
  for (std::uint64_t command = 0; command < kDispatchBatch; ++command) {
    if (const auto given = give(command); !given) return refused(given.error());
  }
  return server.carry_out(carried + kDispatchBatch);
}

/// Makes a socket with `make` and closes it.
template <typename Make>
Outcome<void> made_and_closed(CommandServer& server, Make make) {
  return answered(server, 2, EventKind::close, [&]() -> Result<void> {
    const Result<SocketId> id = make();
    if (!id) return Failure(id.error());
    return server.sockets().close(kOwner, *id, CloseMode::soft, CloseAnswer::not_needed);
  });
}

Outcome<void> start(CommandServer& server) {
  return answered(server, 1, EventKind::open,
                  [&] { return server.sockets().start(kOwner, server.stream()); });
}

Outcome<void> hold_start(CommandServer& server) {
  return answered(server, 2, EventKind::open, [&] {
    const Result<void> held = server.sockets().hold(kOwner, server.stream());
    return held ? server.sockets().start(kOwner, server.stream()) : held;
  });
}

/// Of an id that is gone, so that only the answer is left.
Outcome<void> close_gone(CommandServer& server) {
  return answered(server, 1, EventKind::close, [&] {
    return server.sockets().close(kOwner, 1, CloseMode::soft, CloseAnswer::wanted);
  });
}

Outcome<void> bind_close(CommandServer& server) {
  return made_and_closed(server, [&] { return server.sockets().bind(kOwner, server.spare()); });
}

Outcome<void> udp_close(CommandServer& server) {
  return made_and_closed(server, [&] { return server.sockets().udp(kOwner, "", 0); });
}

Outcome<void> dial_close(CommandServer& server) {
  return made_and_closed(server, [&] {
    return server.sockets().udp_dial(kOwner, "127.0.0.1",
                                     server.receiver_address().endpoint().port());
  });
}

Outcome<void> listen_close(CommandServer& server) {
  return made_and_closed(server, [&] { return server.sockets().listen(kOwner, "127.0.0.1", 0); });
}

/// The other side takes each connection from the kernel and closes it, after ours was reset.
Outcome<void> open_close(CommandServer& server) {
  std::array<SocketId, kDispatchBatch> ids{};
  auto* next = ids.begin();
  auto done = answered(server, 1, EventKind::open, [&]() -> Result<void> {
    const auto id = server.sockets().open(kOwner, "127.0.0.1", server.listener_port());
    if (!id) return Failure(id.error());
    *next++ = *id;
    return {};
  });
  next = ids.begin();
  if (done) {
    done = answered(server, 1, EventKind::close, [&] {
      return server.sockets().close(kOwner, *next++, CloseMode::abortive, CloseAnswer::not_needed);
    });
  }
  for (std::size_t accepted = 0; done && accepted < ids.size(); ++accepted) {
    if (!load::Fd(::accept4(server.listener(), nullptr, nullptr, SOCK_CLOEXEC))) {
      return std::unexpected("accept4: " + load::errno_text(errno));
    }
  }
  return done;
}

/// What the other end gets of one batch.
std::span<const std::byte> sent_bytes() { return stream_bytes(0, kDispatchBatch * kMessageBytes); }

Block message(std::uint64_t number) {
  return Block::copy_of(sent_bytes().subspan(number * kMessageBytes, kMessageBytes));
}

Outcome<void> send_stream(CommandServer& server, Priority priority) {
  auto done = silent(server, [&](std::uint64_t number) {
    return server.sockets().send(server.stream(), message(number), priority);
  });
  if (!done) return done;
  std::array<std::byte, kDispatchBatch * kMessageBytes> got{};
  const ssize_t bytes = ::recv(server.stream_peer(), got.data(), got.size(), MSG_WAITALL);
  if (bytes == static_cast<ssize_t>(got.size()) && std::ranges::equal(got, sent_bytes())) return {};
  return std::unexpected(fmt::format("{} of {} bytes came, or others", bytes, got.size()));
}

Outcome<void> send(CommandServer& server) { return send_stream(server, Priority::high); }
Outcome<void> send_low(CommandServer& server) { return send_stream(server, Priority::low); }

/// Takes `count` datagrams and compares them.
Outcome<void> receive(int fd, std::size_t count) {
  std::array<std::byte, kDispatchBatch * kMessageBytes> got{};
  std::array<iovec, kDispatchBatch> parts{};
  std::array<mmsghdr, kDispatchBatch> messages{};
  for (std::size_t at = 0; at < count; ++at) {
    parts[at] = {.iov_base = &got[at * kMessageBytes], .iov_len = kMessageBytes};
    messages[at].msg_hdr = {.msg_iov = &parts[at], .msg_iovlen = 1};
  }
  const int came =
      ::recvmmsg(fd, messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
  const std::size_t bytes = count * kMessageBytes;
  if (came == static_cast<int>(count) &&
      std::ranges::equal(std::span(got).first(bytes), sent_bytes().first(bytes))) {
    return {};
  }
  return std::unexpected(fmt::format("{} of {} datagrams came, or others", came, count));
}

Outcome<void> send_to(CommandServer& server) {
  auto done = silent(server, [&](std::uint64_t number) {
    return server.sockets().send_to(server.datagrams(), server.receiver_address(), message(number));
  });
  return done ? receive(server.receiver(), kDispatchBatch) : done;
}

/// Past the caller's side, which would look the address up. One datagram shows that it was set.
Outcome<void> set_address(CommandServer& server) {
  const EncodedPacket packet =
      encode(SetAddressPacket{.id = server.datagrams(), .address = server.receiver_address()});
  auto done =
      silent(server, [&](std::uint64_t) { return server.sockets().inject(packet.bytes()); });
  if (!done) return done;
  const std::uint64_t carried = server.carried_out();
  const auto sent = server.sockets().send(server.datagrams(), message(0));
  if (!sent) return refused(sent.error());
  done = server.carry_out(carried + 1);
  return done ? receive(server.receiver(), 1) : done;
}

/// Past the caller's side, which gives this only after a direct write that left a rest.
Outcome<void> arm_write(CommandServer& server) {
  const EncodedPacket packet = encode(ArmWritePacket{.id = server.stream()});
  return silent(server, [&](std::uint64_t) { return server.sockets().inject(packet.bytes()); });
}

Outcome<void> set_option(CommandServer& server) {
  return silent(server, [&](std::uint64_t number) {
    return server.sockets().set_option(server.stream(), ConnectionOption::output_limit_bytes,
                                       static_cast<std::int64_t>(number) + 1'000'000);
  });
}

}  // namespace

const std::vector<DispatchCommand>& dispatch_commands() {
  static const std::vector<DispatchCommand> kCommands = {
      {"S_start", 1, start, true},
      {"T_set_option", 1, set_option, true},
      {"K_close_gone", 1, close_gone, true},
      {"W_arm_write", 1, arm_write, true},
      {"C_set_address", 1, set_address, false, 1},
      {"HS_hold_start", 2, hold_start},
      {"D_send", 1, send},
      {"P_send_low", 1, send_low},
      {"A_send_to", 1, send_to},
      {"BK_bind_close", 2, bind_close},
      {"UK_udp_close", 2, udp_close},
      {"NK_dial_close", 2, dial_close},
      {"LK_listen_close", 2, listen_close},
      {"OK_open_close", 2, open_close},
  };
  return kCommands;
}

}  // namespace skysock::bench
