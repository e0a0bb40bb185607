// Broadcast on Asio: a chunk is written at once to every subscriber; only what the kernel does not
// take is copied, once for all of them.

#include <array>
#include <asio/write.hpp>
#include <memory>
#include <unordered_map>
#include <vector>

#include "bench/peers/asio_server.hpp"
#include "bench/peers/server_modes.hpp"
#include "bench/peers/shared_output.hpp"
#include "core/base/broadcast_role.hpp"

namespace skysock::bench {
namespace {

using asio::ip::tcp;
using std::error_code;

/// Handlers hold it, so that it outlives what is under way.
struct Connection {
  explicit Connection(tcp::socket accepted) : socket(std::move(accepted)) {}
  tcp::socket socket;
  BroadcastRole role = BroadcastRole::unknown;
  OutputQueue output;  ///< While it holds something a write of its front is under way.
};
using Shared = std::shared_ptr<Connection>;

class Server {
 public:
  load::Outcome<void> run(int listener, int stop) {
    return loop_.run(listener, stop, [this](tcp::socket socket) {
      await(std::make_shared<Connection>(std::move(socket)));
    });
  }

 private:
  void await(const Shared& connection) {
    connection->socket.async_wait(tcp::socket::wait_read,
                                  [this, connection](const error_code& failed) {
                                    if (failed) return end(connection);
                                    receive(connection);
                                  });
  }

  void end(const Shared& connection) {
    std::erase(subscribers_, connection);
    error_code ignored;
    connection->socket.close(ignored);  // What is under way is aborted.
  }

  void receive(const Shared& connection) {
    error_code failed;
    const std::size_t count = connection->socket.read_some(asio::buffer(buffer_), failed);
    if (failed == asio::error::would_block) return await(connection);
    if (failed) return end(connection);
    const BroadcastInput input = take_broadcast(connection->role, std::span(buffer_).first(count));
    if (input.answer) {
      SharedBytes copy;
      if (!send(connection, std::span(&*input.answer, 1), copy)) return end(connection);
      if (connection->role == BroadcastRole::subscriber) subscribers_.push_back(connection);
    }
    if (!input.published.empty()) publish(input.published);
    await(connection);
  }

  void publish(std::span<const std::byte> bytes) {
    SharedBytes copy;
    for (std::size_t at = 0; at < subscribers_.size();) {
      if (send(subscribers_[at], bytes, copy)) {
        ++at;
      } else {
        end(Shared(subscribers_[at]));  // The next one takes its place.
      }
    }
  }

  /// False when the connection is broken or has too much waiting. `copy` is that of these bytes,
  /// made when the first one needs it.
  bool send(const Shared& to, std::span<const std::byte> bytes, SharedBytes& copy) {
    const bool idle = to->output.empty();
    std::size_t sent = 0;
    if (idle) {
      error_code failed;
      sent = to->socket.write_some(asio::buffer(bytes.data(), bytes.size()), failed);
      if (failed && failed != asio::error::would_block) return false;
      if (sent == bytes.size()) return true;
    }
    if (to->output.bytes() + bytes.size() - sent > kSubscriberBytesMax) return false;
    if (!copy) copy = share(bytes);
    to->output.push(copy, sent);
    if (idle) write_front(to);
    return true;
  }

  void write_front(const Shared& to) {
    const auto bytes = to->output.front();
    asio::async_write(to->socket, asio::buffer(bytes.data(), bytes.size()),
                      [this, to](const error_code& failed, std::size_t count) {
                        if (failed == asio::error::operation_aborted) return;
                        if (failed) return end(to);
                        to->output.remove(count);
                        if (!to->output.empty()) write_front(to);
                      });
  }

  AsioLoop loop_;  ///< Ends last: sockets need it.
  std::vector<Shared> subscribers_;
  alignas(64) std::array<std::byte, 65'536> buffer_;
};

}  // namespace

load::Outcome<void> serve_asio_broadcast(int listener, int stop) {
  return Server().run(listener, stop);
}

}  // namespace skysock::bench
