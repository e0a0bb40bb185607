#pragma once

#include <cstdint>

#include "core/base/block.hpp"
#include "core/net/types.hpp"

namespace skysock {

enum class EventKind : std::uint8_t {
  open,    ///< A connect, listen or start succeeded. data: text (peer or bound address, "start",
           ///< "transfer").
  accept,  ///< ud: id of the new connection; data: its peer's "ip:port".
  data,    ///< data: what was read; ud: its size in bytes.
  close,  ///< Nothing follows for this id. ud: 0, or 1 for an answer to a requester that is not the
          ///< owner.
  error,  ///< data: text of the failed call.
};

/// What the reactor reports. Who receives an Event owns its Block.
/// Source: struct socket_message.
struct Event {
  EventKind kind;
  SocketId id = 0;
  ServiceHandle to = 0;
  std::int64_t ud = 0;
  Block data;
};

/// Where events go. `deliver` runs on the reactor thread, must not block and must not give commands
/// to the reactor. It returns false when nobody lives at `event.to`: the event was freed and the
/// reactor closes the socket.
struct EventSink {
  void* context = nullptr;
  bool (*deliver)(void* context, Event&& event) = nullptr;
};

}  // namespace skysock
