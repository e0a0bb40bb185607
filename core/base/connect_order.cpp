#include "core/base/connect_order.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "core/base/check.hpp"

namespace skysock {
namespace {

constexpr std::size_t kQuotedBytesMax = 100;
constexpr std::size_t kWords = 4;

/// A line is one line whatever the order was.
std::string quoted(std::string_view line) {
  std::string text(line.substr(0, kQuotedBytesMax));
  for (char& letter : text) {
    if (letter < ' ' || letter > '~') letter = '?';
  }
  return "'" + text + (line.size() > kQuotedBytesMax ? "...'" : "'");
}

/// The words of a line between single spaces; the last array element holds all that is left.
std::array<std::string_view, kWords> words_of(std::string_view line) {
  std::array<std::string_view, kWords> words;
  for (std::size_t at = 0; at + 1 < kWords; ++at) {
    const std::size_t space = line.find(' ');
    words[at] = line.substr(0, space);
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  }
  words.back() = line;
  return words;
}

bool read_number(std::string_view text, std::uint64_t max, std::uint64_t& into) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, into);
  return error == std::errc{} && at == end && into >= 1 && into <= max;
}

}  // namespace

sockaddr_in ConnectOrder::address() const {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  const int known = inet_pton(AF_INET, host.c_str(), &to.sin_addr);
  SKYSOCK_CHECK(known == 1);
  return to;
}

std::expected<ConnectOrder, std::string> parse_connect_order(std::string_view line) {
  const auto [host, port, count, in_flight] = words_of(line);
  ConnectOrder order{.host = std::string(host)};
  in_addr ignored{};
  std::uint64_t port_number = 0;
  if (inet_pton(AF_INET, order.host.c_str(), &ignored) != 1 ||
      order.host.size() != std::strlen(order.host.c_str()) ||
      !read_number(port, 65'535, port_number) ||
      !read_number(count, ConnectOrder::kCountMax, order.count) ||
      !read_number(in_flight, ConnectOrder::kInFlightMax, order.in_flight)) {
    return std::unexpected("order " + quoted(line) +
                           ": expected HOST PORT COUNT IN_FLIGHT: a numeric IPv4 address, 1 to "
                           "65535, 1 to " +
                           std::to_string(ConnectOrder::kCountMax) + ", 1 to " +
                           std::to_string(ConnectOrder::kInFlightMax));
  }
  order.port = static_cast<std::uint16_t>(port_number);
  return order;
}

std::string_view ConnectAnswer::feed(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  if (came_ || bytes.size() > 1) return "expected one byte and the end, got more";
  if (bytes.front() != kConnectByte) return "expected the byte 'c', got another one";
  came_ = true;
  return {};
}

std::string_view ConnectAnswer::end() const {
  return came_ ? std::string_view() : "expected the byte 'c', got the end";
}

void ConnectSession::feed(std::span<const std::byte> bytes) {
  if (waiting_.size() + bytes.size() > kWaitingBytesMax) {
    waiting_.clear();
    return refuse("more than " + std::to_string(kWaitingBytesMax) + " bytes of orders wait");
  }
  waiting_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

bool ConnectSession::begin() {
  while (!on_) {
    if (!take_order()) return false;
  }
  if (begun_ == order_.count || begun_ - closed_ == order_.in_flight) return false;
  ++begun_;
  return true;
}

/// False when no whole line waits.
bool ConnectSession::take_order() {
  const std::size_t end = waiting_.find('\n');
  if (end == std::string::npos) return false;
  auto order = parse_connect_order(std::string_view(waiting_).substr(0, end));
  waiting_.erase(0, end + 1);
  if (!order) {
    refuse(order.error());
    return true;
  }
  order_ = std::move(*order);
  on_ = true;
  ++number_;
  begun_ = closed_ = 0;
  return true;
}

void ConnectSession::closed() {
  SKYSOCK_CHECK(on_ && closed_ < begun_);
  if (++closed_ < order_.count) return;
  replies_ += "done " + std::to_string(order_.count) + "\n";
  on_ = false;
  ++number_;
}

void ConnectSession::fail(std::string_view reason) {
  SKYSOCK_CHECK(on_);
  refuse(order_.host + ":" + std::to_string(order_.port) + ": " + std::string(reason));
  on_ = false;
  ++number_;
}

void ConnectSession::refuse(std::string_view reason) {
  replies_.append("failed: ").append(reason).append("\n");
}

std::string ConnectSession::take_replies() { return std::exchange(replies_, {}); }

}  // namespace skysock
