#pragma once

#include <cerrno>
#include <expected>
#include <system_error>

namespace skysock {

/// The value, or the operating error that kept it from being made (an errno or a resolver code). A
/// dropped Result is found by clang-tidy (bugprone-unused-return-value knows std::expected).
template <typename T>
using Result = std::expected<T, std::error_code>;

using Failure = std::unexpected<std::error_code>;

inline Failure failure(std::errc code) { return Failure(std::make_error_code(code)); }

inline std::error_code errno_code(int value) { return {value, std::generic_category()}; }

/// The errno of the call on the line above. Requires: no other call in between.
inline Failure last_errno() { return Failure(errno_code(errno)); }

}  // namespace skysock
