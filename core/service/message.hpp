#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>

#include "core/base/block.hpp"
#include "core/net/event.hpp"
#include "core/net/types.hpp"

namespace skysock {

/// Pairs a request with its response; 0 means "no answer expected".
using Session = std::int32_t;

/// The protocol of a message, by skynet's public numbers (PTYPE_*). Services may use all others for
/// protocols of their own.
enum class MessageType : std::uint8_t {
  text = 0,
  response = 1,
  client = 3,
  system = 4,
  socket = 6,
  error = 7,
};

/// Kinds of a socket message as services see them. Source: SKYNET_SOCKET_TYPE_*.
enum class SocketMessageType : std::uint8_t {
  data = 1,
  connect = 2,
  close = 3,
  accept = 4,
  error = 5,
  udp = 6,
  warning = 7,
};

/// The most text that a socket message carries (addresses, error texts); longer text is cut.
inline constexpr std::size_t kSocketTextBytesMax = 128;

/// The text of a connect message that says that the old owner got everything: EventKind::handover.
inline constexpr std::string_view kHandoverText = "handover";

/// One event of a socket on its way to a service. `data` is the payload (data, udp) or text of at
/// most kSocketTextBytesMax bytes, not terminated (connect, accept, error); empty otherwise.
/// Source: struct skynet_socket_message.
struct SocketMessage {
  SocketMessageType type;
  SocketId id = 0;
  std::int64_t ud = 0;
  Block data;
};

/// What a mailbox holds. Typed, so that dropping it frees its payload: no message of a dead service
/// can leak.
struct Message {
  MessageType type = MessageType::text;
  Session session = 0;
  ServiceHandle source = 0;
  std::variant<std::monostate, SocketMessage, Block> payload;
};

/// Turns an event of the reactor into the message its owner gets: source 0, session 0, type socket.
/// The payload moves; text is cut at kSocketTextBytesMax. Cost: no allocation unless text is cut.
/// Source: forward_message().
Message forward_message(Event&& event);

namespace detail {
inline Message socket_message(SocketMessageType type, Event&& event) {
  return Message{.type = MessageType::socket,
                 .payload = SocketMessage{
                     .type = type, .id = event.id, .ud = event.ud, .data = std::move(event.data)}};
}
Message forward_rare_event(Event&& event);
}  // namespace detail

inline Message forward_message(Event&& event) {
  if (event.kind != EventKind::data) return detail::forward_rare_event(std::move(event));
  return detail::socket_message(SocketMessageType::data, std::move(event));
}

}  // namespace skysock
