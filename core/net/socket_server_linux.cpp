#include "core/net/socket_server_impl.hpp"
#include "core/sys/linux.hpp"
#include "core/sys/linux_uring.hpp"

namespace skysock {

template class Reactor<LinuxSys>;
template class SocketServer<LinuxSys>;

}  // namespace skysock
