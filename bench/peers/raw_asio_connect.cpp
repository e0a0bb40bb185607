// Connections made on Asio: connect, write, read until the peer's FIN, close.

#include <array>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <memory>
#include <string>
#include <unordered_set>

#include "bench/peers/asio_server.hpp"
#include "bench/peers/server_modes.hpp"
#include "core/base/connect_order.hpp"

namespace skysock::bench {
namespace {

using asio::ip::tcp;
using std::error_code;

/// A connection that was made. Handlers hold it, so that it outlives what is under way.
struct Made {
  explicit Made(asio::io_context& context) : socket(context) {}
  tcp::socket socket;
  std::array<std::byte, 2> answer{};  ///< One byte and the end: a read of two ends with the FIN.
};

struct Control {
  explicit Control(tcp::socket accepted) : socket(std::move(accepted)) {}
  tcp::socket socket;
  bool over = false;
  ConnectSession session;
  std::unordered_set<std::shared_ptr<Made>> made;  ///< Of the order that is on.
  std::array<std::byte, 4'096> input{};
};
using Shared = std::shared_ptr<Control>;

class Server {
 public:
  load::Outcome<void> run(int listener, int stop) {
    return loop_.run(listener, stop, [this](tcp::socket socket) {
      read(std::make_shared<Control>(std::move(socket)));
    });
  }

 private:
  void read(const Shared& control) {
    control->socket.async_read_some(asio::buffer(control->input),
                                    [this, control](const error_code& failed, std::size_t count) {
                                      if (failed) return end(*control);
                                      control->session.feed(std::span(control->input).first(count));
                                      proceed(control);
                                      if (!control->over) read(control);
                                    });
  }

  static void end(Control& control) {
    control.over = true;
    give_up(control);
    error_code ignored;
    control.socket.close(ignored);
  }

  static void give_up(Control& control) {
    for (const auto& one : std::exchange(control.made, {})) {
      error_code ignored;
      one->socket.close(ignored);  // What is under way is aborted.
    }
  }

  /// Makes what is to be made and says what is to be said. A client that does not read its replies
  /// is cut off.
  void proceed(const Shared& control) {
    while (control->session.begin()) make(control);
    const std::string replies = control->session.take_replies();
    if (replies.empty()) return;
    error_code failed;
    const std::size_t sent = control->socket.write_some(asio::buffer(replies), failed);
    if (failed || sent != replies.size()) end(*control);
  }

  void make(const Shared& control) {
    const ConnectOrder& order = control->session.order();
    const tcp::endpoint to(asio::ip::make_address_v4(order.host), order.port);
    auto one = std::make_shared<Made>(loop_.context());
    control->made.insert(one);
    one->socket.async_connect(to, [this, control, one](const error_code& failed) {
      if (!control->made.contains(one)) return;  // It was given up.
      if (failed) return fail(control, failed.message());
      greet(control, one);
    });
  }

  void greet(const Shared& control, const std::shared_ptr<Made>& one) {
    error_code failed;
    one->socket.set_option(tcp::no_delay(true), failed);
    if (!failed) asio::write(one->socket, asio::buffer(&kConnectByte, 1), failed);
    if (failed) return fail(control, failed.message());
    asio::async_read(one->socket, asio::buffer(one->answer),
                     [this, control, one](const error_code& ended, std::size_t count) {
                       if (!control->made.contains(one)) return;
                       if (ended && ended != asio::error::eof) {
                         return fail(control, ended.message());
                       }
                       finish(control, one, std::span(one->answer).first(count));
                     });
  }

  void finish(const Shared& control, const std::shared_ptr<Made>& one,
              std::span<const std::byte> bytes) {
    ConnectAnswer answer;
    const auto wrong = answer.feed(bytes);
    if (!wrong.empty() || !answer.end().empty()) {
      return fail(control, std::string(wrong.empty() ? answer.end() : wrong));
    }
    error_code ignored;
    one->socket.close(ignored);
    control->made.erase(one);
    control->session.closed();
    proceed(control);
  }

  void fail(const Shared& control, const std::string& reason) {
    control->session.fail(reason);
    give_up(*control);
    proceed(control);
  }

  AsioLoop loop_;
};

}  // namespace

load::Outcome<void> serve_asio_connect(int listener, int stop) {
  return Server().run(listener, stop);
}

}  // namespace skysock::bench
