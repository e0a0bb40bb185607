#pragma once

#include <cstdint>

#include "core/sim/sim_kernel.hpp"
#include "core/sys/endpoint.hpp"

// Who lives in the network of StreamWorld.

namespace skysock::fuzz {

inline constexpr int kFirstFd = 3;
inline constexpr int kFdLimit = 1'024;
inline constexpr const char* kLocalHost = "127.0.0.1";
/// Hosts that answer connects as they are told to.
inline constexpr const char* kRemoteHost = "10.0.0.1";
inline constexpr const char* kOtherRemoteHost = "10.0.0.2";
/// Nobody is there.
inline constexpr const char* kDeadHostV6 = "fd00::1";
/// Two ports of this host take datagrams.
inline constexpr const char* kUdpHost = "10.0.0.3";
inline constexpr std::uint16_t kUdpPort = 53;
inline constexpr std::uint16_t kOtherUdpPort = 54;
inline constexpr std::uint16_t kDeadUdpPort = 55;
/// Names: of both remote hosts, the other one first; of a dead one and a remote host; of ourselves;
/// one that cannot be resolved; one that nobody has.
inline constexpr const char* kTwoAddresses = "two.test";
inline constexpr const char* kDeadThenAlive = "six.test";
inline constexpr const char* kOurselves = "self.test";
inline constexpr const char* kUnresolvable = "bad.test";
inline constexpr const char* kUnknown = "none.test";

/// Requires: `host` is numeric.
inline Endpoint endpoint(const char* host, std::uint16_t port) {
  return Endpoint::from_numeric(host, port).value();
}

/// Makes the names above known.
void set_hosts(SimKernel& kernel);

}  // namespace skysock::fuzz
