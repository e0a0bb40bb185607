#include "bench/peers/raw_libuv.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <uv.h>

#include <array>
#include <vector>

#include "core/base/check.hpp"
#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

constexpr int kBacklog = 4'096;

class Server;

/// Lives until libuv has closed it.
struct Connection {
  explicit Connection(Server& of) : server(of) {}
  Server& server;
  uv_tcp_t tcp{};
  uv_write_t write{};
  std::vector<std::byte> rest;  ///< What the kernel did not take; nothing is read meanwhile.
  std::uint64_t streamed = 0;
  SinkTally tally;
};

uv_buf_t buffer_of(std::span<const std::byte> bytes) {
  return uv_buf_init(const_cast<char*>(reinterpret_cast<const char*>(bytes.data())),
                     static_cast<unsigned>(bytes.size()));
}

uv_stream_t* stream_of(Connection& connection) {
  return reinterpret_cast<uv_stream_t*>(&connection.tcp);
}

class Server {
 public:
  explicit Server(ServerMode mode) : mode_(mode) {}

  load::Outcome<void> run(int listener, int stop) {
    if (const int code = uv_loop_init(&loop_); code != 0) return failed("uv_loop_init", code);
    const load::Outcome<void> begun = begin(listener, stop);
    if (begun) uv_run(&loop_, UV_RUN_DEFAULT);
    uv_walk(&loop_, [](uv_handle_t* handle, void*) { close(handle); }, nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    const int closed = uv_loop_close(&loop_);
    SKYSOCK_CHECK(closed == 0);
    return begun;
  }

 private:
  static load::Outcome<void> failed(const char* call, int code) {
    return std::unexpected(fmt::format("raw_libuv: {}: {}", call, uv_strerror(code)));
  }

  static void close(uv_handle_t* handle) {
    if (uv_is_closing(handle) != 0) return;
    // Of a connection, `data` is it; of the listener and of the stop descriptor, nothing.
    uv_close(handle, [](uv_handle_t* closed) { delete static_cast<Connection*>(closed->data); });
  }

  load::Outcome<void> begin(int listener, int stop) {
    uv_tcp_init(&loop_, &listener_);
    uv_poll_init(&loop_, &stop_, stop);
    // libuv closes what it is given.
    const int copy = ::fcntl(listener, F_DUPFD_CLOEXEC, 0);
    if (const int code = uv_tcp_open(&listener_, copy); code != 0) {
      return failed("uv_tcp_open", code);
    }
    listener_.data = stop_.data = nullptr;
    loop_.data = this;
    const auto accept = [](uv_stream_t* from, int status) {
      if (status == 0) static_cast<Server*>(from->loop->data)->accept();
    };
    const int code = uv_listen(reinterpret_cast<uv_stream_t*>(&listener_), kBacklog, accept);
    if (code != 0) return failed("uv_listen", code);
    uv_poll_start(&stop_, UV_READABLE, [](uv_poll_t* handle, int, int) { uv_stop(handle->loop); });
    return {};
  }

  void accept() {
    auto* connection = new Connection(*this);  // close() deletes it.
    uv_tcp_init(&loop_, &connection->tcp);
    connection->tcp.data = connection;
    if (uv_accept(reinterpret_cast<uv_stream_t*>(&listener_), stream_of(*connection)) != 0) {
      return end(*connection);
    }
    if (mode_ == ServerMode::source) {
      stream(*connection);
    } else {
      read(*connection);
    }
  }

  static void end(Connection& connection) {
    close(reinterpret_cast<uv_handle_t*>(&connection.tcp));
  }

  /// One buffer serves all reads: it is used up when the callback returns.
  static void read(Connection& connection) {
    const auto buffer = [](uv_handle_t* handle, std::size_t, uv_buf_t* into) {
      auto& bytes = static_cast<Connection*>(handle->data)->server.buffer_;
      *into = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
    };
    const auto received = [](uv_stream_t* from, ssize_t count, const uv_buf_t* buffer) {
      auto& connection = *static_cast<Connection*>(from->data);
      if (count < 0) return end(connection);
      if (count == 0) return;
      const std::span bytes(buffer->base, static_cast<std::size_t>(count));
      connection.server.receive(connection, std::as_bytes(bytes));
    };
    if (uv_read_start(stream_of(connection), buffer, received) != 0) end(connection);
  }

  void receive(Connection& connection, std::span<const std::byte> bytes) {
    if (mode_ == ServerMode::echo) return send_all(connection, bytes);
    const auto report = connection.tally.feed(bytes);
    if (report) send_all(connection, std::as_bytes(std::span(&*report, 1)));
  }

  static void send_all(Connection& connection, std::span<const std::byte> bytes) {
    const uv_buf_t all = buffer_of(bytes);
    const int sent = uv_try_write(stream_of(connection), &all, 1);
    if (sent == static_cast<int>(bytes.size())) return;
    if (sent < 0 && sent != UV_EAGAIN) return end(connection);
    const auto rest = bytes.subspan(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    connection.rest.assign(rest.begin(), rest.end());
    uv_read_stop(stream_of(connection));
    write(connection, connection.rest, [](uv_write_t* request, int status) {
      auto& of = *static_cast<Connection*>(request->handle->data);
      if (status == UV_ECANCELED) return;  // It is being closed.
      if (status < 0) return end(of);
      read(of);
    });
  }

  static void write(Connection& connection, std::span<const std::byte> bytes, uv_write_cb done) {
    const uv_buf_t all = buffer_of(bytes);
    if (uv_write(&connection.write, stream_of(connection), &all, 1, done) != 0) end(connection);
  }

  static void stream(Connection& connection) {
    const auto bytes = stream_bytes(connection.streamed, kStreamMessageBytesMax);
    connection.streamed += bytes.size();
    write(connection, bytes, [](uv_write_t* request, int status) {
      auto& of = *static_cast<Connection*>(request->handle->data);
      if (status == UV_ECANCELED) return;
      if (status < 0) return end(of);
      stream(of);
    });
  }

  ServerMode mode_;
  uv_loop_t loop_{};
  uv_tcp_t listener_{};
  uv_poll_t stop_{};
  alignas(64) std::array<char, 65'536> buffer_;
};

}  // namespace

load::Outcome<void> serve_raw_libuv(const load::Fd& listener, int stop, ServerMode mode) {
  return Server(mode).run(listener.get(), stop);
}

}  // namespace skysock::bench
