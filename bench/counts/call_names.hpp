#pragma once

#include <cstddef>
#include <string>

namespace skysock::bench::counts {

/// The name of a system call that we count, as strace writes it; "call NUMBER" for another.
std::string call_name(std::size_t number);

}  // namespace skysock::bench::counts
