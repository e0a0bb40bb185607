#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "bench/load/outcome.hpp"
#include "core/service/runtime.hpp"

namespace skysock::bench::counts {

/// What the service of a scenario does with what comes.
enum class Duty : std::uint8_t {
  echo,      ///< That of `skysock --native echo`.
  drop,      ///< Nothing.
  block,     ///< Answers each byte with kBlockBytes bytes.
  udp_echo,  ///< Listens for datagrams instead, and sends each back.
};

inline constexpr std::size_t kBlockBytes = 256 * 1'024;
/// The byte at `place` of such a block.
constexpr std::byte block_byte(std::size_t place) { return std::byte((place * 13 + 5) % 251); }

/// What the client may know of the service. Written by the service's thread.
struct ServiceState {
  std::atomic<bool> ready{false};
  std::atomic<bool> failed{false};
  std::atomic<SocketId> last_started{0};  ///< The connection that OPEN came for.
  ServiceHandle handle = 0;
};

/// Spawns the service on 127.0.0.1 and a free port, and waits until it is ready. The state lives as
/// long as the runtime.
load::Outcome<std::shared_ptr<ServiceState>> start_service(Runtime& runtime, Duty duty);

}  // namespace skysock::bench::counts
