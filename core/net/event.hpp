#pragma once

#include <cstdint>

#include "core/base/block.hpp"
#include "core/net/types.hpp"

namespace skysock {

enum class EventKind : std::uint8_t {
  open,     ///< A connect, bind, listen or start succeeded. data: text (peer or bound address,
            ///< "binding", "start", "transfer"); ud: the bound port of a listener.
  accept,   ///< ud: id of the new connection; data: its peer's "ip:port".
  data,     ///< data: what was read; ud: its size in bytes.
  close,    ///< Nothing follows for this id. ud: 0, or 1 for an answer to a requester that is not
            ///< the owner.
  error,    ///< data: text of the failed call.
  udp,      ///< data: the payload, then the packed source address (udp_address.hpp); ud: payload
            ///< bytes.
  warning,  ///< ud: KiB of unsent output, rounded up; 0 when all is sent again.
  handover  ///< The old owner of a socket that is handed over got everything that was read for it.
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

/// Where events go. All run on the reactor thread and must not wait for another thread.
struct EventSink {
  void* context = nullptr;
  /// Takes one event. Must not give commands to the reactor. Returns false when nobody lives at
  /// `event.to`: the event was freed and the reactor closes the socket softly.
  bool (*deliver)(void* context, Event&& event) = nullptr;
  /// Called after every event of the kernel and every command that delivered something. May give
  /// commands: they run when it has returned. This is where services run when there are no workers.
  /// May be nullptr.
  void (*run)(void* context) = nullptr;
  /// deliver() and run() in one, for what most events are: bytes that were read, behind which the
  /// reactor has nothing more to do, and before which no event waits. May give commands: they run
  /// when it has returned. May be nullptr.
  bool (*deliver_and_run)(void* context, Event&& event) = nullptr;
  /// Called once per batch, before the reactor waits: wakes who got something. May be nullptr.
  void (*flush)(void* context) = nullptr;
};

}  // namespace skysock
