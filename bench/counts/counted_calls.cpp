// The linker gives our libraries these functions in the place of the C library's (--wrap, see
// CMakeLists.txt): each counts its system call, and makes it.

#include <liburing.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "bench/counts/tally.hpp"

using skysock::bench::counts::count_call;

// NOLINTBEGIN: the names are the linker's.
#define COUNTED(number, result, name, parameters, arguments) \
  extern "C" result __real_##name parameters;                \
  extern "C" result __wrap_##name parameters {               \
    count_call(number);                                      \
    return __real_##name arguments;                          \
  }

// LinuxSys makes the calls of the hot path by number.
extern "C" long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
extern "C" long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f) {
  count_call(number);
  return __real_syscall(number, a, b, c, d, e, f);
}

COUNTED(SYS_bind, int, bind, (int fd, const sockaddr* to, socklen_t size), (fd, to, size))
COUNTED(SYS_close, int, close, (int fd), (fd))
COUNTED(SYS_connect, int, connect, (int fd, const sockaddr* to, socklen_t size), (fd, to, size))
COUNTED(SYS_accept4, int, accept4, (int fd, sockaddr* from, socklen_t* size, int flags),
        (fd, from, size, flags))
COUNTED(SYS_epoll_create1, int, epoll_create1, (int flags), (flags))
COUNTED(SYS_epoll_ctl, int, epoll_ctl, (int fd, int what, int other, epoll_event* event),
        (fd, what, other, event))
COUNTED(SYS_eventfd2, int, eventfd, (unsigned value, int flags), (value, flags))
COUNTED(SYS_write, int, eventfd_write, (int fd, eventfd_t value), (fd, value))
COUNTED(SYS_fcntl, int, fcntl, (int fd, int what, long value), (fd, what, value))
COUNTED(SYS_getpeername, int, getpeername, (int fd, sockaddr* to, socklen_t* size), (fd, to, size))
COUNTED(SYS_getsockname, int, getsockname, (int fd, sockaddr* to, socklen_t* size), (fd, to, size))
COUNTED(SYS_getsockopt, int, getsockopt,
        (int fd, int level, int name, void* value, socklen_t* size), (fd, level, name, value, size))
COUNTED(SYS_ioctl, int, ioctl, (int fd, unsigned long what, void* value), (fd, what, value))
COUNTED(SYS_listen, int, listen, (int fd, int backlog), (fd, backlog))
COUNTED(SYS_openat, int, open, (const char* path, int flags, int mode), (path, flags, mode))
COUNTED(SYS_pipe2, int, pipe2, (int* ends, int flags), (ends, flags))
COUNTED(SYS_poll, int, poll, (struct pollfd * some, unsigned long count, int timeout),
        (some, count, timeout))
COUNTED(SYS_read, ssize_t, read, (int fd, void* into, size_t size), (fd, into, size))
COUNTED(SYS_recvfrom, ssize_t, recv, (int fd, void* into, size_t size, int flags),
        (fd, into, size, flags))
COUNTED(SYS_recvfrom, ssize_t, recvfrom,
        (int fd, void* into, size_t size, int flags, sockaddr* from, socklen_t* length),
        (fd, into, size, flags, from, length))
COUNTED(SYS_recvmsg, ssize_t, recvmsg, (int fd, msghdr* message, int flags), (fd, message, flags))
COUNTED(SYS_sched_yield, int, sched_yield, (), ())
COUNTED(SYS_sendto, ssize_t, send, (int fd, const void* from, size_t size, int flags),
        (fd, from, size, flags))
COUNTED(SYS_sendmsg, ssize_t, sendmsg, (int fd, const msghdr* message, int flags),
        (fd, message, flags))
COUNTED(SYS_sendto, ssize_t, sendto,
        (int fd, const void* from, size_t size, int flags, const sockaddr* to, socklen_t length),
        (fd, from, size, flags, to, length))
COUNTED(SYS_setsockopt, int, setsockopt,
        (int fd, int level, int name, const void* value, socklen_t size),
        (fd, level, name, value, size))
COUNTED(SYS_shutdown, int, shutdown, (int fd, int how), (fd, how))
COUNTED(SYS_socket, int, socket, (int family, int type, int protocol), (family, type, protocol))
COUNTED(SYS_write, ssize_t, write, (int fd, const void* from, size_t size), (fd, from, size))
COUNTED(SYS_writev, ssize_t, writev, (int fd, const iovec* parts, int count), (fd, parts, count))

// liburing's own system calls do not pass the C library: these functions enter the kernel once.
COUNTED(SYS_io_uring_enter, int, io_uring_get_events, (io_uring * ring), (ring))
COUNTED(SYS_io_uring_enter, int, io_uring_submit_and_get_events, (io_uring * ring), (ring))
COUNTED(SYS_io_uring_enter, int, io_uring_submit_and_wait, (io_uring * ring, unsigned wanted),
        (ring, wanted))
COUNTED(SYS_io_uring_register, int, io_uring_register_sync_cancel,
        (io_uring * ring, io_uring_sync_cancel_reg* what), (ring, what))

extern "C" int __real_io_uring_submit(io_uring* ring);
extern "C" int __wrap_io_uring_submit(io_uring* ring) {
  if (io_uring_sq_ready(ring) > 0) count_call(SYS_io_uring_enter);
  return __real_io_uring_submit(ring);
}

// Enters only when there is something to begin or to wait for. Source: _io_uring_get_cqe().
extern "C" int __real_io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** first,
                                                       unsigned wanted, __kernel_timespec* limit,
                                                       sigset_t* mask);
extern "C" int __wrap_io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** first,
                                                       unsigned wanted, __kernel_timespec* limit,
                                                       sigset_t* mask) {
  const bool enters = io_uring_sq_ready(ring) > 0 || io_uring_cq_ready(ring) < wanted;
  if (enters) count_call(SYS_io_uring_enter);
  return __real_io_uring_submit_and_wait_timeout(ring, first, wanted, limit, mask);
}
// NOLINTEND
