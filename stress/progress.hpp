#pragma once

#include <cstdint>
#include <string>

#include "stress/ledger.hpp"

namespace skysock::stress {

/// "12/60 s, 64 open, 5310 done, 812.4 MB verified, 67.7 MB/s, 48 s left, 0 failures".
std::string progress_text(double done_s, double total_s, std::uint64_t open, const Totals& totals);

}  // namespace skysock::stress
