#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "core/net/connection_state.hpp"
#include "core/net/control_packet.hpp"
#include "core/sys/endpoint.hpp"

namespace skysock::fuzz {

/// A call of a thread that may stop inside of it: what the models are told at the moment when it
/// does it, which may be long before it returns.
struct CallUnderWay {
  /// Builds what it posts, once; from its id, when it makes a socket, and from what it parked.
  std::function<ControlPacket(SocketId, Token)> packet;
  std::function<void()> was_posted = {};            ///< Called then; may be empty.
  std::function<void(SocketId)> was_reserved = {};  ///< Of one that makes a socket: there is an id.
  char fd_letter = 0;  ///< Of the packet that takes the descriptor it parks.

  // Of a send.
  const std::string* text = nullptr;
  const Endpoint* to = nullptr;
  Priority priority = Priority::high;

  // What it did so far.
  SocketId id = 0;
  Token token = 0;
  bool posted = false;
  bool told = false;                        ///< The ledger of datagrams knows of it.
  std::optional<ControlPacket> extra = {};  ///< Another packet, which it is about to post.
  State seen = State::free;                 ///< When a send looked,
  bool seen_open = false;                   ///< and whether sends were accepted,
  std::optional<bool> seen_aborts;          ///< what the limit's policy was, if that is known.
  std::size_t place = 0;  ///< Among the messages, of one that is written directly.
  bool direct = false;    ///< The kernel had the message,
  bool cut = false;       ///< and left something.
  bool closed = false;    ///< The limit closes the socket.
};

}  // namespace skysock::fuzz
