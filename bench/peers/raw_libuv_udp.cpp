// Datagrams on libuv: each is answered in the callback that brings it, from the one buffer.

#include <fcntl.h>
#include <uv.h>

#include <array>

#include "bench/peers/server_modes.hpp"
#include "bench/peers/uv_loop.hpp"

namespace skysock::bench {
namespace {

class Server {
 public:
  load::Outcome<void> run(int socket, int stop) {
    return loop_.run(stop, [this, socket] { return begin(socket); });
  }

 private:
  load::Outcome<void> begin(int socket) {
    uv_udp_init(loop_.get(), &udp_);
    udp_.data = nullptr;  // Nobody's to delete; the loop knows us.
    loop_.get()->data = this;
    // libuv closes what it is given.
    const int copy = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (const int code = uv_udp_open(&udp_, copy); code != 0) return uv_failed("uv_udp_open", code);
    const int code = receive();
    return code == 0 ? load::Outcome<void>() : uv_failed("uv_udp_recv_start", code);
  }

  template <typename Handle>
  static Server& server_of(const Handle* handle) {
    return *static_cast<Server*>(handle->loop->data);
  }

  int receive() {
    const auto buffer = [](uv_handle_t* handle, std::size_t, uv_buf_t* into) {
      auto& bytes = server_of(handle).buffer_;
      *into = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
    };
    const auto received = [](uv_udp_t* handle, ssize_t count, const uv_buf_t* into,
                             const sockaddr* from, unsigned) {
      if (from == nullptr || count < 0) return;  // Nothing is left, or an earlier answer failed.
      const uv_buf_t answer = uv_buf_init(into->base, static_cast<unsigned>(count));
      // What the kernel refuses for good is lost, as datagrams are.
      if (uv_udp_try_send(handle, &answer, 1, from) == UV_EAGAIN) {
        server_of(handle).answer_later(answer, from);
      }
    };
    return uv_udp_recv_start(&udp_, buffer, received);
  }

  /// Nothing is received meanwhile: the buffer is in use.
  void answer_later(const uv_buf_t& answer, const sockaddr* to) {
    uv_udp_recv_stop(&udp_);
    const auto sent = [](uv_udp_send_t* request, int status) {
      if (status != UV_ECANCELED) server_of(request->handle).receive();
    };
    if (uv_udp_send(&request_, &udp_, &answer, 1, to, sent) != 0) receive();
  }

  UvLoop loop_;
  uv_udp_t udp_{};
  uv_udp_send_t request_{};
  alignas(64) std::array<char, 65'536> buffer_;
};

}  // namespace

load::Outcome<void> serve_libuv_udp(int socket, int stop) { return Server().run(socket, stop); }

}  // namespace skysock::bench
