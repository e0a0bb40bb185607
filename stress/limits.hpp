#pragma once

#include <cstdint>
#include <string>

#include "stress/options.hpp"

namespace skysock::stress {

/// Raises this process's file-descriptor limit to its hard limit and says what does not fit, with
/// what is needed; empty when the run fits. Children inherit the limit.
std::string why_it_does_not_fit(const Options& options);

/// The same as a pure function of the limits: `fd_limit` per process, `local_ports` for one target.
std::string why_it_does_not_fit(const Options& options, std::uint64_t fd_limit,
                                std::uint64_t local_ports);

}  // namespace skysock::stress
