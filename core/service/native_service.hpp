#pragma once

// A service in C++ for whoever wants to drive the core without Lua: load tools, the benchmarks, a
// stranger with netcat.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/service/runtime.hpp"

namespace skysock {

enum class NativeMode : std::uint8_t {
  echo,       ///< Every byte comes back. After the peer's FIN the rest is sent, then we close.
  sink,       ///< Counts and compares what comes, and reports as SinkTally says.
  source,     ///< Sends the endless stream_bytes() until the peer closes; drops what comes.
  broadcast,  ///< What publishers send goes to all subscribers, as broadcast_role.hpp says.
  udp_echo,   ///< Every datagram goes back to its sender.
  connect,    ///< Makes the connections that it is ordered to make, as connect_order.hpp says.
};

struct NativeOptions {
  NativeMode mode = NativeMode::echo;
  std::string host;        ///< To listen on; a name is resolved on the spawning thread.
  std::uint16_t port = 0;  ///< 0: any free one.
};

/// What the service tells its owner, on the thread that spawns it or runs it. All must be set.
struct NativeHooks {
  /// Once: it accepts now.
  std::function<void(std::uint16_t port)> on_listening;
  /// It cannot serve, or no longer; nothing else will happen.
  std::function<void(std::string_view reason)> on_failure;
  /// A connection was refused for want of a descriptor or a slot; others go on.
  std::function<void(std::string_view reason)> on_refusal;
};

/// The most output that a source has waiting for one peer.
inline constexpr std::int64_t kSourceOutputBytesMax = 4 << 20;

/// `tuning` with what `mode` needs. A source fills whatever output_limit_bytes allows, so it is
/// brought down to kSourceOutputBytesMax (and up to one message), and its policy is `refuse`. In a
/// broadcast it is brought down to kSubscriberBytesMax.
Tuning native_tuning(Tuning tuning, NativeMode mode);

/// Makes a service that listens, and owns all its connections. For Runtime::spawn().
///
/// A peer that does not read what it gets is not read either: memory per connection is bounded by
/// what WARNING and the output limit allow.
/// Cost: an echo allocates nothing, and keeps nothing per connection: the Block that was read is
/// the one that is sent.
HandlerFactory native_service(Runtime& runtime, NativeOptions options, NativeHooks hooks);

}  // namespace skysock
