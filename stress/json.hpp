#pragma once

#include <nlohmann/json_fwd.hpp>

#include "stress/ledger.hpp"

namespace skysock::stress {

/// The same field names in the reports of the clients and in the result file.
nlohmann::json to_json(const Totals& totals);
nlohmann::json to_json(const Finding& finding);

}  // namespace skysock::stress
