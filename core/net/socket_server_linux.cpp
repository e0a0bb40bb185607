#include "core/net/socket_server_impl.hpp"
#include "core/sys/linux.hpp"

namespace skysock {

template class Reactor<LinuxSys>;
template class SocketServer<LinuxSys>;

}  // namespace skysock
