#include "bench/counts/stream_steps.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <vector>

#include "bench/counts/client.hpp"
#include "bench/counts/tally.hpp"

namespace skysock::bench::counts {
namespace {

using load::Fd;

std::vector<std::byte> message_of(const EchoSteps& echo) {
  std::vector<std::byte> message(echo.bytes);
  for (std::size_t at = 0; at < message.size(); ++at) message[at] = std::byte(at * 7 + 1);
  const std::size_t text = echo.bytes - echo.header;
  for (std::size_t at = 0; at < echo.header; ++at) {
    message[at] = std::byte(text >> (8 * (echo.header - 1 - at)));
  }
  return message;
}

std::uint64_t bytes_read(Stage& stage) { return stage.runtime().sockets().counts().bytes_read; }

/// One message on every connection.
Outcome<void> send_round(Stage& stage, const std::vector<Connection>& all,
                         std::span<const std::byte> message) {
  const std::uint64_t before = bytes_read(stage);
  for (const Connection& one : all) {
    if (auto sent = send_all(one.client.get(), message); !sent) return sent;
    if (auto there = wait_for_bytes(one.server, message.size()); !there) return there;
  }
  const std::uint64_t after = before + all.size() * message.size();
  return stage.step_until([&] { return bytes_read(stage) >= after; }, "read");
}

Outcome<void> expect_answers(const std::vector<Connection>& all,
                             std::span<const std::byte> message) {
  for (const Connection& one : all) {
    if (auto right = expect_bytes(one.client.get(), message); !right) return right;
  }
  return {};
}

std::size_t slots_used(Stage& stage) { return stage.runtime().sockets().counts().slots_used; }

/// Sends a byte and FIN; the server sends the byte back and closes.
Outcome<void> end_with_fin(Stage& stage, const Connection& one) {
  const std::byte byte{'x'};
  const std::size_t used = slots_used(stage);
  const std::uint64_t before = bytes_read(stage);
  if (auto sent = send_all(one.client.get(), std::span(&byte, 1)); !sent) return sent;
  if (auto there = wait_for_bytes(one.server, 1); !there) return there;
  auto read = stage.step_until([&] { return bytes_read(stage) > before; }, "read");
  if (!read) return read;
  if (auto ended = end_sending(one.client.get()); !ended) return ended;
  if (auto there = wait_for(one.server, POLLRDHUP); !there) return there;
  auto closed = stage.step_until([&] { return slots_used(stage) < used; }, "close");
  if (!closed) return closed;
  return expect_bytes(one.client.get(), std::span(&byte, 1));
}

Outcome<void> end_with_rst(Stage& stage, Connection one) {
  const std::size_t used = slots_used(stage);
  if (auto ended = reset(std::move(one.client)); !ended) return ended;
  if (auto there = wait_for(one.server, POLLRDHUP); !there) return there;
  return stage.step_until([&] { return slots_used(stage) < used; }, "close");
}

}  // namespace

Outcome<Connection> connect_to_server(Stage& stage, int listener, int receive_buffer) {
  const auto port = port_of(listener);
  if (!port) return std::unexpected(port.error());
  auto client = connect_to(*port, receive_buffer);
  if (!client) return std::unexpected(client.error());
  if (auto there = wait_for(listener, POLLIN); !there) return std::unexpected(there.error());
  const std::uint64_t accepts = stage.runtime().sockets().counts().accepts;
  auto accepted = stage.step_until(
      [&] { return stage.runtime().sockets().counts().accepts > accepts; }, "accept");
  if (!accepted) return std::unexpected(accepted.error());
  const auto server = server_end(client->get());
  if (!server) return std::unexpected(server.error());
  return Connection{.client = std::move(*client), .server = *server};
}

Outcome<void> echo_steps(Stage& stage, const EchoSteps& echo, std::uint64_t operations) {
  if (operations % echo.connections != 0) {
    return std::unexpected(
        fmt::format("{} operations: expected a multiple of {}", operations, echo.connections));
  }
  const auto listener = server_listener();
  if (!listener) return std::unexpected(listener.error());
  if (auto locked = stage.lock_step(); !locked) return locked;
  std::vector<Connection> all;
  for (std::size_t count = 0; count < echo.connections; ++count) {
    auto one = connect_to_server(stage, *listener);
    if (!one) return std::unexpected(one.error());
    all.push_back(std::move(*one));
  }
  const std::vector<std::byte> message = message_of(echo);
  const ClientTurn turn;
  const std::uint64_t rounds = kWarmRounds + operations / echo.connections;
  for (std::uint64_t done = 0; done < rounds; ++done) {
    if (done == kWarmRounds) stage.begin();
    if (auto read = send_round(stage, all, message); !read) return read;
    if (!echo.answered || (echo.sends_at_wait && done == 0)) continue;
    if (auto right = expect_answers(all, message); !right) return right;
  }
  stage.end();
  if (!echo.answered || !echo.sends_at_wait) return {};
  stage.runtime().sockets().wake();  // The last answers leave.
  if (auto waited = stage.step(); !waited) return waited;
  return expect_answers(all, message);
}

Outcome<void> accept_steps(Stage& stage, Ending ending, std::uint64_t operations) {
  const auto listener = server_listener();
  if (!listener) return std::unexpected(listener.error());
  if (auto locked = stage.lock_step(); !locked) return locked;
  const ClientTurn turn;
  for (std::uint64_t done = 0; done < kWarmRounds + operations; ++done) {
    if (done == kWarmRounds) stage.begin();
    auto one = connect_to_server(stage, *listener);
    if (!one) return std::unexpected(one.error());
    auto ended =
        ending == Ending::fin ? end_with_fin(stage, *one) : end_with_rst(stage, std::move(*one));
    if (!ended) return ended;
  }
  stage.end();
  return {};
}

Outcome<void> datagram_steps(Stage& stage, std::uint64_t operations) {
  const auto server = server_datagrams();
  if (!server) return std::unexpected(server.error());
  const auto port = port_of(*server);
  if (!port) return std::unexpected(port.error());
  const auto client = connect_datagrams(*port);
  if (!client) return std::unexpected(client.error());
  if (auto locked = stage.lock_step(); !locked) return locked;
  std::array<std::byte, 64> datagram{};
  datagram.back() = std::byte{1};
  const ClientTurn turn;
  for (std::uint64_t done = 0; done < kWarmRounds + operations; ++done) {
    if (done == kWarmRounds) stage.begin();
    const std::uint64_t before = stage.runtime().sockets().counts().datagrams_read;
    if (auto sent = send_all(client->get(), datagram); !sent) return sent;
    if (auto there = wait_for(*server, POLLIN); !there) return there;
    const auto read = stage.step_until(
        [&] { return stage.runtime().sockets().counts().datagrams_read > before; }, "datagram");
    if (!read) return read;
    if (auto right = expect_bytes(client->get(), datagram); !right) return right;
  }
  stage.end();
  return {};
}

}  // namespace skysock::bench::counts
