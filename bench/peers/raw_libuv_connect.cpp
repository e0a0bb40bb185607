// Connections made on libuv: connect, write, read until the peer's FIN, close.

#include <uv.h>

#include <array>
#include <string>
#include <unordered_set>
#include <utility>

#include "bench/peers/server_modes.hpp"
#include "bench/peers/uv_loop.hpp"
#include "core/base/connect_order.hpp"

namespace skysock::bench {
namespace {

class Server;
struct Control;

/// A connection that was made.
struct Made : UvObject {
  explicit Made(Control& of) : control(&of) {}
  Control* control;  ///< nullptr: given up, and being closed.
  uv_tcp_t tcp{};
  uv_connect_t request{};
  ConnectAnswer answer;
};

struct Control : UvObject {
  explicit Control(Server& of) : server(of) {}
  Server& server;
  uv_tcp_t tcp{};
  ConnectSession session;
  std::unordered_set<Made*> made;  ///< Of the order that is on.
};

template <typename Of>
uv_stream_t* stream_of(Of& of) {
  return reinterpret_cast<uv_stream_t*>(&of.tcp);
}

class Server {
 public:
  load::Outcome<void> run(int listener, int stop) {
    return loop_.run(listener, stop, [this](uv_stream_t* from) { accept(from); });
  }

 private:
  void accept(uv_stream_t* from) {
    auto* control = new Control(*this);  // close_uv() deletes it.
    if (!loop_.accept(from, control->tcp, *control)) return;
    const auto received = [](uv_stream_t* of, ssize_t count, const uv_buf_t* buffer) {
      auto& it = object_of<Control>(of);
      if (count < 0) return end(it);
      it.session.feed(bytes_of(buffer, count));
      it.server.proceed(it);
    };
    const auto buffer = [](uv_handle_t* handle, std::size_t, uv_buf_t* into) {
      *into = object_of<Control>(handle).server.buffer();
    };
    if (uv_read_start(stream_of(*control), buffer, received) != 0) end(*control);
  }

  /// One buffer serves all reads: it is used up when the callback returns.
  uv_buf_t buffer() { return uv_buf_init(buffer_.data(), static_cast<unsigned>(buffer_.size())); }

  static std::span<const std::byte> bytes_of(const uv_buf_t* buffer, ssize_t count) {
    return std::as_bytes(std::span(buffer->base, static_cast<std::size_t>(count)));
  }

  static void end(Control& control) {
    give_up(control);
    close_uv(control.tcp);
  }

  static void give_up(Control& control) {
    for (Made* one : std::exchange(control.made, {})) {
      one->control = nullptr;
      close_uv(one->tcp);
    }
  }

  /// Makes what is to be made and says what is to be said. A client that does not read its replies
  /// is cut off.
  void proceed(Control& control) {
    while (control.session.begin()) make(control);
    const std::string replies = control.session.take_replies();
    if (replies.empty()) return;
    const uv_buf_t all = uv_buffer(std::as_bytes(std::span(replies)));
    if (uv_try_write(stream_of(control), &all, 1) != std::ssize(replies)) end(control);
  }

  void make(Control& control) {
    auto* one = new Made(control);  // close_uv() deletes it.
    control.made.insert(one);
    uv_tcp_init(loop_.get(), &one->tcp);
    one->tcp.data = static_cast<UvObject*>(one);
    const sockaddr_in to = control.session.order().address();
    const auto connected = [](uv_connect_t* request, int status) {
      auto& it = object_of<Made>(request->handle);
      if (it.control == nullptr || status == UV_ECANCELED) return;
      const int code = status == 0 ? greet(it) : status;
      if (code != 0) fail(it, uv_strerror(code));
    };
    const int code =
        uv_tcp_connect(&one->request, &one->tcp, reinterpret_cast<const sockaddr*>(&to), connected);
    if (code != 0) give_up_with(control, uv_strerror(code));
  }

  /// Returns what failed, or 0.
  static int greet(Made& one) {
    uv_tcp_nodelay(&one.tcp, 1);
    const uv_buf_t byte = uv_buffer(std::span(&kConnectByte, 1));
    if (const int count = uv_try_write(stream_of(one), &byte, 1); count != 1) return count;
    const auto buffer = [](uv_handle_t* handle, std::size_t, uv_buf_t* into) {
      *into = object_of<Made>(handle).control->server.buffer();
    };
    const auto received = [](uv_stream_t* from, ssize_t count, const uv_buf_t* into) {
      receive(object_of<Made>(from), count, into);
    };
    return uv_read_start(stream_of(one), buffer, received);
  }

  static void receive(Made& one, ssize_t count, const uv_buf_t* buffer) {
    if (count < 0 && count != UV_EOF) return fail(one, uv_strerror(static_cast<int>(count)));
    const bool ended = count == UV_EOF;
    const auto wrong = ended ? one.answer.end() : one.answer.feed(bytes_of(buffer, count));
    if (!wrong.empty()) return fail(one, std::string(wrong));
    if (!ended) return;
    Control& control = *one.control;
    control.made.erase(&one);
    close_uv(one.tcp);
    control.session.closed();
    control.server.proceed(control);
  }

  static void fail(const Made& one, const std::string& reason) {
    Control& control = *one.control;
    give_up_with(control, reason);
    control.server.proceed(control);
  }

  static void give_up_with(Control& control, const std::string& reason) {
    control.session.fail(reason);
    give_up(control);
  }

  UvLoop loop_;
  alignas(64) std::array<char, 4'096> buffer_;
};

}  // namespace

load::Outcome<void> serve_libuv_connect(int listener, int stop) {
  return Server().run(listener, stop);
}

}  // namespace skysock::bench
