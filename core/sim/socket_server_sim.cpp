#include "core/net/socket_server_impl.hpp"
#include "core/sim/sim_kernel.hpp"

namespace skysock {

template class Reactor<SimKernel>;
template class SocketServer<SimKernel>;

}  // namespace skysock
