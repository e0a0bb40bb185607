#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/prng.hpp"

namespace skysock::conformance {

/// What a step of a script does. Descriptors have places, not numbers: 0 to kPlaces - 1.
enum class Verb : std::uint8_t {
  listen,    ///< `place` becomes a listener on a free port.
  connect,   ///< `place` becomes a socket that connects to where `other` listens or listened last.
  accept,    ///< `place` becomes what the listener `other` accepts.
  pipe,      ///< `place` becomes the read end, `other` the write end.
  event,     ///< `place` becomes an eventfd.
  send,      ///< `amount` bytes, send(2).
  receive,   ///< At most `amount` bytes, recv(2).
  read,      ///< At most `amount` bytes, read(2).
  write,     ///< `amount` bytes, write(2); never more than a pipe has room for.
  fill,      ///< send(2) until no more is taken.
  drain,     ///< recv(2) until nothing comes.
  shutdown,  ///< shutdown(2), SHUT_WR.
  error,     ///< SO_ERROR.
  signal,    ///< Of an eventfd.
  reset,     ///< close(2) that sends RST.
  close,
  watch,    ///< epoll_ctl(2), EPOLL_CTL_ADD with `amount` as the mask,
  rewatch,  ///< EPOLL_CTL_MOD,
  unwatch,  ///< EPOLL_CTL_DEL.
  wait,     ///< epoll_wait(2) without a time-out: who is ready, by place.
};
inline constexpr std::size_t kVerbCount = static_cast<std::size_t>(Verb::wait) + 1;

struct ScriptStep {
  Verb verb = Verb::wait;
  std::uint8_t place = 0;
  std::uint8_t other = 0;
  std::uint32_t amount = 0;

  bool operator==(const ScriptStep&) const = default;
};

using Script = std::vector<ScriptStep>;

inline constexpr std::uint8_t kPlaces = 8;

/// A script that mostly makes sense: `steps` of them, from `random` alone.
Script random_script(Prng& random, std::size_t steps);

/// "connect 2 to 0", "watch 3 for IN|RDHUP, edges".
std::string text_of(const ScriptStep& step);

}  // namespace skysock::conformance
