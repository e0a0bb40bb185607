#include "core/service/message.hpp"

#include <algorithm>
#include <utility>

namespace skysock {
namespace {

SocketMessageType type_of(EventKind kind) {
  switch (kind) {
    case EventKind::open:
      return SocketMessageType::connect;
    case EventKind::accept:
      return SocketMessageType::accept;
    case EventKind::data:
      return SocketMessageType::data;
    case EventKind::close:
      return SocketMessageType::close;
    case EventKind::error:
      return SocketMessageType::error;
    case EventKind::udp:
      return SocketMessageType::udp;
    case EventKind::warning:
      return SocketMessageType::warning;
    case EventKind::handover:  // As if connected anew, with everything read so far behind it.
      return SocketMessageType::connect;
  }
  return SocketMessageType::error;
}

bool carries_text(SocketMessageType type) {
  return type == SocketMessageType::connect || type == SocketMessageType::accept ||
         type == SocketMessageType::error;
}

Block at_most(Block text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  return Block::copy_of(std::as_const(text).bytes().first(bytes_max));
}

}  // namespace

namespace detail {

Message forward_rare_event(Event&& event) {
  const SocketMessageType type = type_of(event.kind);
  if (event.kind == EventKind::handover) event.data = Block::copy_of(kHandoverText);
  if (carries_text(type)) event.data = at_most(std::move(event.data), kSocketTextBytesMax);
  return socket_message(type, std::move(event));
}

}  // namespace detail
}  // namespace skysock
