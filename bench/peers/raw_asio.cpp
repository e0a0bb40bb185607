#include "bench/peers/raw_asio.hpp"

#include <array>
#include <asio/write.hpp>
#include <memory>
#include <unordered_map>
#include <vector>

#include "bench/peers/asio_server.hpp"
#include "bench/peers/server_modes.hpp"
#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

using asio::ip::tcp;
using std::error_code;

/// One buffer serves all reads: a connection waits until it can read, and reads then.
class Server {
 public:
  explicit Server(ServerMode mode) : mode_(mode) {}

  load::Outcome<void> run(int listener, int stop) {
    return loop_.run(listener, stop, [this](tcp::socket socket) { begin(std::move(socket)); });
  }

 private:
  struct Connection {
    explicit Connection(tcp::socket accepted) : socket(std::move(accepted)) {}
    tcp::socket socket;
    std::vector<std::byte> rest;  ///< What the kernel did not take; nothing is read meanwhile.
    std::uint64_t streamed = 0;
    SinkTally tally;
  };

  void begin(tcp::socket socket) {
    const int fd = socket.native_handle();
    Connection& connection =
        *connections_.insert_or_assign(fd, std::make_unique<Connection>(std::move(socket)))
             .first->second;
    if (mode_ == ServerMode::source) {
      stream(connection);
    } else {
      await(connection);
    }
  }

  void end(Connection& connection) { connections_.erase(connection.socket.native_handle()); }

  void await(Connection& connection) {
    connection.socket.async_wait(tcp::socket::wait_read,
                                 [this, &connection](const error_code& failed) {
                                   if (failed != asio::error::operation_aborted) {
                                     receive(connection);
                                   }
                                 });
  }

  void receive(Connection& connection) {
    error_code failed;
    const std::size_t count = connection.socket.read_some(asio::buffer(buffer_), failed);
    if (failed == asio::error::would_block) return await(connection);
    if (failed) return end(connection);
    const auto bytes = std::span(buffer_).first(count);
    if (mode_ == ServerMode::echo) return send_all(connection, bytes);
    const auto report = connection.tally.feed(bytes);
    if (!report) return await(connection);
    send_all(connection, std::as_bytes(std::span(&*report, 1)));
  }

  void send_all(Connection& connection, std::span<const std::byte> bytes) {
    error_code failed;
    const std::size_t sent =
        connection.socket.write_some(asio::buffer(bytes.data(), bytes.size()), failed);
    if (failed && failed != asio::error::would_block) return end(connection);
    if (sent == bytes.size()) return await(connection);
    const auto rest = bytes.subspan(failed ? 0 : sent);
    connection.rest.assign(rest.begin(), rest.end());
    asio::async_write(connection.socket, asio::buffer(connection.rest),
                      [this, &connection](const error_code& error, std::size_t) {
                        if (error == asio::error::operation_aborted) return;
                        if (error) return end(connection);
                        await(connection);
                      });
  }

  void stream(Connection& connection) {
    const auto bytes = stream_bytes(connection.streamed, kStreamMessageBytesMax);
    connection.socket.async_write_some(
        asio::buffer(bytes.data(), bytes.size()),
        [this, &connection](const error_code& failed, std::size_t sent) {
          if (failed == asio::error::operation_aborted) return;
          if (failed) return end(connection);
          connection.streamed += sent;
          stream(connection);
        });
  }

  ServerMode mode_;
  AsioLoop loop_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;  ///< By descriptor.
  alignas(64) std::array<std::byte, 65'536> buffer_;
};

}  // namespace

load::Outcome<void> serve_raw_asio(const load::Fd& listener, int stop, ServerMode mode) {
  constexpr ServerModes kOthers = {
      .broadcast = serve_asio_broadcast, .udp_echo = serve_asio_udp, .connect = serve_asio_connect};
  if (Serve* const serve = kOthers.of(mode)) return serve(listener.get(), stop);
  return Server(mode).run(listener.get(), stop);
}

}  // namespace skysock::bench
