#pragma once

#include <cstddef>
#include <system_error>

#include "core/base/block.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

// What a poller tells the reactor: completed I/O, not readiness, so that a poller whose kernel
// reads by itself fits the same seam.

struct Accepted {
  AcceptedSocket socket;
};
/// accept(2) failed for a reason that lasts (EMFILE and the like).
struct AcceptFailed {
  std::error_code error;
};
/// The connect under way succeeded.
struct Connected {};
struct Received {
  Block data;
};
struct ReceivedFrom {
  Block data;  ///< The datagram, then its packed source address.
  std::size_t bytes;
};
struct Eof {};
/// A read or a connect failed, or the socket has an error pending.
struct IoError {
  std::error_code error;
};
/// Output can be written again.
struct Writable {};
/// Both directions are gone, without an error.
struct HungUp {};

/// A datagram could not be received, or an ICMP error came: the socket lives on.
struct DatagramError {
  std::error_code error;
};

}  // namespace skysock
