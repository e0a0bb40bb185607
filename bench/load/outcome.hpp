#pragma once

#include <expected>
#include <string>

namespace skysock::load {

/// The value, or one sentence for a person: what failed, where, and what was expected.
template <typename T>
using Outcome = std::expected<T, std::string>;

}  // namespace skysock::load
