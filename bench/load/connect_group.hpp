#pragma once

#include <cstddef>

namespace skysock::load {

/// How many connections to begin before the server has answered one of them: a group fits the
/// shortest accept queue in use (skynet's is 32). One SYN too many costs a second of
/// retransmission.
inline constexpr std::size_t kConnectGroup = 16;

}  // namespace skysock::load
