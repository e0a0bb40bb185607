#include "bench/peers/raw_libuv.hpp"

#include <uv.h>

#include <array>
#include <vector>

#include "bench/peers/server_modes.hpp"
#include "bench/peers/uv_loop.hpp"
#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

class Server;

struct Connection : UvObject {
  explicit Connection(Server& of) : server(of) {}
  Server& server;
  uv_tcp_t tcp{};
  uv_write_t write{};
  std::vector<std::byte> rest;  ///< What the kernel did not take; nothing is read meanwhile.
  std::uint64_t streamed = 0;
  SinkTally tally;
};

uv_stream_t* stream_of(Connection& connection) {
  return reinterpret_cast<uv_stream_t*>(&connection.tcp);
}

class Server {
 public:
  explicit Server(ServerMode mode) : mode_(mode) {}

  load::Outcome<void> run(int listener, int stop) {
    return loop_.run(listener, stop, [this](uv_stream_t* from) { accept(from); });
  }

 private:
  void accept(uv_stream_t* from) {
    auto* connection = new Connection(*this);  // close_uv() deletes it.
    if (!loop_.accept(from, connection->tcp, *connection)) return;
    if (mode_ == ServerMode::source) {
      stream(*connection);
    } else {
      read(*connection);
    }
  }

  static void end(Connection& connection) { close_uv(connection.tcp); }

  /// One buffer serves all reads: it is used up when the callback returns.
  static void read(Connection& connection) {
    const auto buffer = [](uv_handle_t* handle, std::size_t, uv_buf_t* into) {
      auto& bytes = object_of<Connection>(handle).server.buffer_;
      *into = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
    };
    const auto received = [](uv_stream_t* from, ssize_t count, const uv_buf_t* into) {
      auto& of = object_of<Connection>(from);
      if (count < 0) return end(of);
      if (count == 0) return;
      const std::span bytes(into->base, static_cast<std::size_t>(count));
      of.server.receive(of, std::as_bytes(bytes));
    };
    if (uv_read_start(stream_of(connection), buffer, received) != 0) end(connection);
  }

  void receive(Connection& connection, std::span<const std::byte> bytes) {
    if (mode_ == ServerMode::echo) return send_all(connection, bytes);
    const auto report = connection.tally.feed(bytes);
    if (report) send_all(connection, std::as_bytes(std::span(&*report, 1)));
  }

  static void send_all(Connection& connection, std::span<const std::byte> bytes) {
    const uv_buf_t all = uv_buffer(bytes);
    const int sent = uv_try_write(stream_of(connection), &all, 1);
    if (sent == static_cast<int>(bytes.size())) return;
    if (sent < 0 && sent != UV_EAGAIN) return end(connection);
    const auto rest = bytes.subspan(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    connection.rest.assign(rest.begin(), rest.end());
    uv_read_stop(stream_of(connection));
    write(connection, connection.rest, [](uv_write_t* request, int status) {
      auto& of = object_of<Connection>(request->handle);
      if (status == UV_ECANCELED) return;  // It is being closed.
      if (status < 0) return end(of);
      read(of);
    });
  }

  static void write(Connection& connection, std::span<const std::byte> bytes, uv_write_cb done) {
    const uv_buf_t all = uv_buffer(bytes);
    if (uv_write(&connection.write, stream_of(connection), &all, 1, done) != 0) end(connection);
  }

  static void stream(Connection& connection) {
    const auto bytes = stream_bytes(connection.streamed, kStreamMessageBytesMax);
    connection.streamed += bytes.size();
    write(connection, bytes, [](uv_write_t* request, int status) {
      auto& of = object_of<Connection>(request->handle);
      if (status == UV_ECANCELED) return;
      if (status < 0) return end(of);
      stream(of);
    });
  }

  ServerMode mode_;
  UvLoop loop_;
  alignas(64) std::array<char, 65'536> buffer_;
};

}  // namespace

load::Outcome<void> serve_raw_libuv(const load::Fd& listener, int stop, ServerMode mode) {
  constexpr ServerModes kOthers = {.broadcast = serve_libuv_broadcast,
                                   .udp_echo = serve_libuv_udp,
                                   .connect = serve_libuv_connect};
  if (Serve* const serve = kOthers.of(mode)) return serve(listener.get(), stop);
  return Server(mode).run(listener.get(), stop);
}

}  // namespace skysock::bench
