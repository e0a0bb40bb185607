// Datagrams on Asio: one receive and one send each, from the one buffer.

#include <sys/socket.h>

#include <array>
#include <asio/ip/udp.hpp>

#include "bench/peers/asio_server.hpp"
#include "bench/peers/server_modes.hpp"

namespace skysock::bench {
namespace {

using asio::ip::udp;
using std::error_code;

/// Datagrams before the loop gets a turn.
constexpr int kBatch = 64;

class Server {
 public:
  load::Outcome<void> run(int socket, int stop) {
    error_code failed;
    socket_.assign(udp::v4(), copy_of(socket), failed);
    if (!failed) socket_.non_blocking(true, failed);
    if (failed) return asio_failed(failed);
    await();
    return loop_.run(stop);
  }

 private:
  void await() {
    socket_.async_wait(udp::socket::wait_read, [this](const error_code& failed) {
      if (failed == asio::error::operation_aborted) return;
      answer_all();
    });
  }

  void answer_all() {
    for (int datagram = 0; datagram < kBatch; ++datagram) {
      error_code failed;
      size_ = socket_.receive_from(asio::buffer(buffer_), from_, 0, failed);
      if (failed == asio::error::would_block) return await();
      if (failed) continue;  // That of an earlier answer: its sender is gone.
      socket_.send_to(asio::buffer(buffer_, size_), from_, 0, failed);
      if (failed == asio::error::would_block) return answer_later();
      // What the kernel refuses for good is lost, as datagrams are.
    }
    await();
  }

  /// Nothing is received meanwhile.
  void answer_later() {
    socket_.async_send_to(asio::buffer(buffer_, size_), from_,
                          [this](const error_code& failed, std::size_t) {
                            if (failed != asio::error::operation_aborted) await();
                          });
  }

  udp::endpoint from_;
  std::size_t size_ = 0;
  alignas(64) std::array<std::byte, 65'536> buffer_;
  AsioLoop loop_;
  udp::socket socket_{loop_.context()};
};

}  // namespace

load::Outcome<void> serve_asio_udp(int socket, int stop) { return Server().run(socket, stop); }

}  // namespace skysock::bench
