#include "bench/lua/messages.hpp"

#include <fmt/format.h>

#include <charconv>
#include <span>
#include <utility>

#include "bench/lua/state.hpp"

namespace skysock::bench {
namespace {

constexpr int kPayloadBytes = 64;
constexpr std::string_view kNothing = "nil";

void append(std::string& bytes, std::string_view text) {
  if (text != kNothing) bytes += text;
}

}  // namespace

const std::vector<MessageKind>& message_kinds() {
  static const std::string packed_address("\1\x1f\x41\x7f\1\1\1", 7);  // See udp_address.hpp.
  static const std::vector<MessageKind> kinds = {
      {.name = "data",
       .event = EventKind::data,
       .type = SocketMessageType::data,
       .ud = kPayloadBytes,
       .text = pattern(kPayloadBytes)},
      {.name = "accept",
       .event = EventKind::accept,
       .type = SocketMessageType::accept,
       .ud = 8,
       .text = "127.0.0.1:10000"},
      {.name = "error",
       .event = EventKind::error,
       .type = SocketMessageType::error,
       .text = "Connection reset by peer"},
      {.name = "close", .event = EventKind::close, .type = SocketMessageType::close},
      {.name = "udp",
       .event = EventKind::udp,
       .type = SocketMessageType::udp,
       .ud = kPayloadBytes,
       .text = pattern(kPayloadBytes),
       .address = packed_address}};
  return kinds;
}

MessageSource::MessageSource(MessageKind kind, SocketId id) : kind_(std::move(kind)), id_(id) {
  append(bytes_, kind_.text);
  append(bytes_, kind_.address);
}

Message MessageSource::next() {
  if (kind_.event == EventKind::accept) {
    port_ = port_ < 65'535 ? port_ + 1 : 10'000;
    char* end = bytes_.data() + bytes_.size();
    std::to_chars(end - 5, end, port_);
  }
  const std::span<std::byte> borrowed = std::as_writable_bytes(std::span(bytes_));
  return forward_message({.kind = kind_.event,
                          .id = id_,
                          .to = 1,
                          .ud = kind_.ud,
                          .data = Block::adopt(borrowed, nullptr, [](void*) {})});
}

std::string MessageSource::line() const {
  const std::string text =
      kind_.text == kNothing ? kind_.text : bytes_.substr(0, kind_.text.size());
  return fmt::format("{} {} {} {} {}\n", static_cast<int>(kind_.type), id_, kind_.ud, text,
                     kind_.address);
}

std::int64_t MessageSource::sum() const {
  return static_cast<std::int64_t>(kind_.type) + id_ + kind_.ud;
}

}  // namespace skysock::bench
