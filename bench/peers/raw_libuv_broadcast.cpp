// Broadcast on libuv: a chunk is written at once to every subscriber; only what the kernel does not
// take is copied, once for all of them, and waits in libuv's queue.

#include <uv.h>

#include <array>
#include <vector>

#include "bench/peers/server_modes.hpp"
#include "bench/peers/shared_output.hpp"
#include "bench/peers/uv_loop.hpp"
#include "core/base/broadcast_role.hpp"

namespace skysock::bench {
namespace {

class Server;

struct Connection : UvObject {
  explicit Connection(Server& of) : server(of) {}
  Server& server;
  uv_tcp_t tcp{};
  BroadcastRole role = BroadcastRole::unknown;
};

uv_stream_t* stream_of(Connection& connection) {
  return reinterpret_cast<uv_stream_t*>(&connection.tcp);
}

/// A write that is under way, and the bytes that it needs.
struct Write {
  uv_write_t request{};
  SharedBytes bytes;
};

class Server {
 public:
  load::Outcome<void> run(int listener, int stop) {
    return loop_.run(listener, stop, [this](uv_stream_t* from) { accept(from); });
  }

 private:
  void accept(uv_stream_t* from) {
    auto* connection = new Connection(*this);  // close_uv() deletes it.
    if (loop_.accept(from, connection->tcp, *connection)) read(*connection);
  }

  void end(Connection& connection) {
    std::erase(subscribers_, &connection);
    close_uv(connection.tcp);
  }

  /// One buffer serves all reads: it is used up when the callback returns.
  void read(Connection& connection) {
    const auto buffer = [](uv_handle_t* handle, std::size_t, uv_buf_t* into) {
      auto& bytes = object_of<Connection>(handle).server.buffer_;
      *into = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
    };
    const auto received = [](uv_stream_t* from, ssize_t count, const uv_buf_t* into) {
      auto& of = object_of<Connection>(from);
      if (count < 0) return of.server.end(of);
      const std::span bytes(into->base, static_cast<std::size_t>(count));
      of.server.receive(of, std::as_bytes(bytes));
    };
    if (uv_read_start(stream_of(connection), buffer, received) != 0) end(connection);
  }

  void receive(Connection& connection, std::span<const std::byte> bytes) {
    const BroadcastInput input = take_broadcast(connection.role, bytes);
    if (input.answer) {
      SharedBytes copy;
      if (!send(connection, std::span(&*input.answer, 1), copy)) return end(connection);
      if (connection.role == BroadcastRole::subscriber) subscribers_.push_back(&connection);
    }
    if (!input.published.empty()) publish(input.published);
  }

  void publish(std::span<const std::byte> bytes) {
    SharedBytes copy;
    for (std::size_t at = 0; at < subscribers_.size();) {
      Connection& subscriber = *subscribers_[at];
      if (send(subscriber, bytes, copy)) {
        ++at;
      } else {
        end(subscriber);  // The next one takes its place.
      }
    }
  }

  /// False when the connection is broken or has too much waiting. `copy` is that of these bytes,
  /// made when the first one needs it.
  bool send(Connection& to, std::span<const std::byte> bytes, SharedBytes& copy) {
    const uv_buf_t all = uv_buffer(bytes);
    const int count = uv_try_write(stream_of(to), &all, 1);  // UV_EAGAIN while others wait, too.
    if (count == std::ssize(bytes)) return true;
    if (count < 0 && count != UV_EAGAIN) return false;
    const auto sent = static_cast<std::size_t>(count < 0 ? 0 : count);
    const std::size_t waiting = uv_stream_get_write_queue_size(stream_of(to));
    if (waiting + bytes.size() - sent > kSubscriberBytesMax) return false;
    if (!copy) copy = share(bytes);
    return write(to, copy, sent);
  }

  static bool write(Connection& to, const SharedBytes& bytes, std::size_t sent) {
    auto* write = new Write{.bytes = bytes};  // `done` deletes it.
    write->request.data = write;
    const auto done = [](uv_write_t* request, int status) {
      delete static_cast<Write*>(request->data);
      if (status == 0 || status == UV_ECANCELED) return;  // It is being closed.
      auto& of = object_of<Connection>(request->handle);
      of.server.end(of);
    };
    const uv_buf_t rest = uv_buffer(std::span(*bytes).subspan(sent));
    if (uv_write(&write->request, stream_of(to), &rest, 1, done) == 0) return true;
    delete write;
    return false;
  }

  UvLoop loop_;
  std::vector<Connection*> subscribers_;
  alignas(64) std::array<char, 65'536> buffer_;
};

}  // namespace

load::Outcome<void> serve_libuv_broadcast(int listener, int stop) {
  return Server().run(listener, stop);
}

}  // namespace skysock::bench
