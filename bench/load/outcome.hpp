#pragma once

#include <expected>
#include <string>
#include <system_error>

namespace skysock::load {

/// The value, or one sentence for a person: what failed, where, and what was expected.
template <typename T>
using Outcome = std::expected<T, std::string>;

/// What an errno value means, in words. Thread safe, as strerror is not.
inline std::string errno_text(int code) { return std::generic_category().message(code); }

}  // namespace skysock::load
