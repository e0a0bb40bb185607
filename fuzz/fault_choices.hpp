#pragma once

#include <array>
#include <cerrno>

#include "core/sim/fault_plan.hpp"

namespace skysock::fuzz {

/// The calls that programs may make fail. Not among them: write, which only the pipe to the reactor
/// meets, and which there fails for no reason but an interruption; epoll_remove, which cannot fail
/// for a descriptor that is in the set; and what only create() calls.
inline constexpr std::array kFaultCalls = {Call::read,
                                           Call::write_parts,
                                           Call::stream_socket,
                                           Call::bind,
                                           Call::listen,
                                           Call::accept,
                                           Call::connect,
                                           Call::send,
                                           Call::shutdown_write,
                                           Call::epoll_add,
                                           Call::epoll_modify,
                                           Call::local_endpoint,
                                           Call::peer_endpoint,
                                           Call::set_option,
                                           Call::receive,
                                           Call::epoll_wait,
                                           Call::take_socket_error,
                                           Call::open_spare,
                                           Call::set_nonblocking,
                                           Call::datagram_socket,
                                           Call::send_to,
                                           Call::receive_from};

inline constexpr std::array kFaultErrors = {EINTR,   EAGAIN,    ECONNRESET,   EPIPE,
                                            ENOMEM,  EMFILE,    ENFILE,       EIO,
                                            ENOBUFS, ETIMEDOUT, ECONNABORTED, EPROTO};

}  // namespace skysock::fuzz
