#include "bench/counts/call_names.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace skysock::bench::counts {
namespace {

using Named = std::pair<std::size_t, std::string_view>;

// Some architectures have no epoll_wait: LinuxSys takes epoll_pwait there.
constexpr std::array kNames = {
    Named{SYS_accept4, "accept4"},
    Named{SYS_bind, "bind"},
    Named{SYS_close, "close"},
    Named{SYS_connect, "connect"},
    Named{SYS_epoll_create1, "epoll_create1"},
    Named{SYS_epoll_ctl, "epoll_ctl"},
    Named{SYS_epoll_pwait, "epoll_pwait"},
#ifdef SYS_epoll_wait
    Named{SYS_epoll_wait, "epoll_wait"},
#endif
    Named{SYS_eventfd2, "eventfd2"},
    Named{SYS_fcntl, "fcntl"},
    Named{SYS_getpeername, "getpeername"},
    Named{SYS_getsockname, "getsockname"},
    Named{SYS_getsockopt, "getsockopt"},
    Named{SYS_io_uring_enter, "io_uring_enter"},
    Named{SYS_io_uring_register, "io_uring_register"},
    Named{SYS_ioctl, "ioctl"},
    Named{SYS_listen, "listen"},
    Named{SYS_openat, "openat"},
    Named{SYS_pipe2, "pipe2"},
#ifdef SYS_poll
    Named{SYS_poll, "poll"},
#endif
    Named{SYS_read, "read"},
    Named{SYS_recvfrom, "recvfrom"},
    Named{SYS_recvmsg, "recvmsg"},
    Named{SYS_sched_yield, "sched_yield"},
    Named{SYS_sendmsg, "sendmsg"},
    Named{SYS_sendto, "sendto"},
    Named{SYS_setsockopt, "setsockopt"},
    Named{SYS_shutdown, "shutdown"},
    Named{SYS_socket, "socket"},
    Named{SYS_write, "write"},
    Named{SYS_writev, "writev"},
};

}  // namespace

std::string call_name(std::size_t number) {
  const auto* found = std::ranges::find(kNames, number, &Named::first);
  if (found != kNames.end()) return std::string(found->second);
  return fmt::format("call {}", number);
}

}  // namespace skysock::bench::counts
