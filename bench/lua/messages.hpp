#pragma once

// What happens to sockets, as the benchmarks of the Lua layer tell services of it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/service/message.hpp"

namespace skysock::bench {

/// A kind of message: data of 64 bytes, accept, error, close, a datagram of 64 bytes.
struct MessageKind {
  std::string name;
  EventKind event;
  SocketMessageType type;
  std::int64_t ud = 0;
  std::string text = "nil";     ///< What comes fourth; "nil": nothing.
  std::string address = "nil";  ///< What comes fifth.
};

const std::vector<MessageKind>& message_kinds();

/// Messages of one kind, one after another, of one socket.
class MessageSource {
 public:
  explicit MessageSource(MessageKind kind, SocketId id = 7);

  /// Its bytes are borrowed, until the next one. Every accepted connection has another address: Lua
  /// would find that of the last one among its strings.
  Message next();

  /// The bytes of the last message.
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  /// The last message as a line: type, id, ud, text, address, separated by spaces.
  [[nodiscard]] std::string line() const;
  /// The sum of its first three.
  [[nodiscard]] std::int64_t sum() const;

 private:
  MessageKind kind_;
  SocketId id_;
  std::string bytes_;
  int port_ = 10'000;
};

}  // namespace skysock::bench
