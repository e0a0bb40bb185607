#pragma once

#include <string>
#include <vector>

#include "results/facts.hpp"
#include "results/history.hpp"
#include "results/inputs.hpp"

namespace skysock::results {

/// Everything a page shows.
struct ReportData {
  Inputs inputs;
  MachineFacts machine;
  std::vector<HistoryPoint> history;  ///< Of nightly runs; plotted when there are at least two.
  std::string written;                ///< Time of writing, UTC.
  std::string chart_script;  ///< The text of Chart.js, put into the page so that it opens anywhere.
};

/// One self-contained HTML page. All text from outside is escaped.
std::string make_report(const ReportData& data);

/// `text` with &, <, > and quotes as entities.
std::string escape_html(std::string_view text);

}  // namespace skysock::results
