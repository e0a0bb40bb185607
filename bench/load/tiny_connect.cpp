#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"
#include "bench/load/tiny_loop.hpp"
#include "bench/load/tiny_modes.hpp"

namespace skysock::load {
namespace {

struct Order {
  std::string host;
  std::uint16_t port = 0;
  std::uint64_t count = 0;
  std::uint64_t in_flight = 0;
};

/// Carries out orders with blocking calls, a group of connections at a time.
class Connector {
 public:
  explicit Connector(const TinyModeOptions& options) : options_(options) {}

  /// False when the control connection is over.
  bool serve(int control) {
    std::array<char, 4096> buffer;  // NOLINT: only what recv wrote is read.
    const ssize_t count = recv(control, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count <= 0) {
      unread_.erase(control);
      return false;
    }
    std::string& text = unread_[control];
    text.append(buffer.data(), static_cast<std::size_t>(count));
    for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos;) {
      std::istringstream line(text.substr(0, end));
      text.erase(0, end + 1);
      Order order;
      if (!(line >> order.host >> order.port >> order.count >> order.in_flight)) return false;
      const std::string answer = carry_out(order);
      send(control, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (options_.flaw == ModeFlaw::close_early && answer.empty()) return false;
    }
    return true;
  }

 private:
  std::string carry_out(const Order& order) {
    if (options_.flaw == ModeFlaw::silent || options_.flaw == ModeFlaw::close_early) return "";
    if (options_.flaw == ModeFlaw::fail) return "failed: told to\n";
    std::uint64_t count = order.count;
    if (options_.flaw == ModeFlaw::one_less) --count;
    if (options_.flaw == ModeFlaw::one_more) ++count;
    const std::uint64_t group = options_.flaw == ModeFlaw::all_at_once ? count : order.in_flight;
    for (std::uint64_t made = 0; made < count; made += group) {
      if (auto done = make_group(order, std::min(group, count - made)); !done) {
        return fmt::format("failed: {}\n", done.error());
      }
    }
    const char* end = options_.flaw == ModeFlaw::extra_byte ? "\n!" : "\n";
    return fmt::format("done {}{}", order.count, end);
  }

  Outcome<void> make_group(const Order& order, std::uint64_t count) {
    std::vector<Fd> group;
    while (group.size() < count) {
      auto fd = make(order);
      if (!fd) return std::unexpected(fd.error());
      group.push_back(std::move(*fd));
    }
    for (const Fd& fd : group) {
      if (auto passed = say(fd.get()); !passed) return passed;
    }
    std::uint64_t number = made_ - count;
    for (Fd& fd : group) {
      if (auto ended = hear(fd.get()); !ended) return ended;
      if (is_flawed(options_, ++number) && options_.flaw == ModeFlaw::no_end) {
        kept_.push_back(std::move(fd));
      }
    }
    return {};
  }

  static Outcome<Fd> make(const Order& order) {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(order.port);
    if (inet_pton(AF_INET, order.host.c_str(), &address.sin_addr) != 1 ||
        connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return std::unexpected(
          fmt::format("connect to {}:{}: {}", order.host, order.port, errno_text(errno)));
    }
    return fd;
  }

  Outcome<void> say(int fd) {
    const bool flawed = is_flawed(options_, ++made_);
    std::string letters = "c";
    if (flawed && options_.flaw == ModeFlaw::flip_byte) letters = "s";
    if (flawed && options_.flaw == ModeFlaw::twice) letters = "cc";
    if (flawed && options_.flaw == ModeFlaw::cut) {
      shutdown(fd, SHUT_WR);
      return {};
    }
    if (send(fd, letters.data(), letters.size(), MSG_NOSIGNAL) < 0) {
      return std::unexpected(fmt::format("send: {}", errno_text(errno)));
    }
    return {};
  }

  /// One byte 'c' and the end.
  static Outcome<void> hear(int fd) {
    std::string heard(2, '\0');
    const ssize_t count = recv(fd, heard.data(), heard.size(), MSG_WAITALL);
    if (count == 1 && heard[0] == 'c') return {};
    return std::unexpected(fmt::format("expected one byte and the end, received {} bytes", count));
  }

  TinyModeOptions options_;
  std::map<int, std::string> unread_;  ///< By control connection.
  std::uint64_t made_ = 0;
  std::vector<Fd> kept_;
};

}  // namespace

void serve_tiny_connect(int listener, int stop, const TinyModeOptions& options) {
  Connector connector(options);
  serve_connections(listener, stop, POLLIN,
                    [&](int fd, short /*events*/) { return connector.serve(fd); });
}

}  // namespace skysock::load
