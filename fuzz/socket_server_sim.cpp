// The socket server on the simulated kernel, compiled once for all fuzzers.

#include "core/net/socket_server_impl.hpp"
#include "core/sim/sim_kernel.hpp"

namespace skysock {

template class Reactor<SimKernel>;
template class SocketServer<SimKernel>;

}  // namespace skysock
