#pragma once

// What skysock-bench --list says: every family of benchmarks with its question, under headings.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bench/harness.hpp"

namespace skysock::bench {

struct ListedLine {
  std::string name;
  std::optional<std::size_t> benchmarks;  ///< None for what is no family of benchmarks.
  std::string question;
};

struct ListedGroup {
  std::string heading;
  std::vector<ListedLine> lines;
};

/// Counts each name for the longest family that it begins with, up to its end or a '/'. Groups and
/// families are in the order of `families`; those without a name are left out. Error: names the
/// first name that no family describes.
load::Outcome<std::vector<ListedGroup>> group_names(const std::vector<std::string>& names,
                                                    const std::vector<Described>& families);

/// A heading, then "name  (N benchmarks)  question" per line, in columns.
std::string text_of(const std::vector<ListedGroup>& groups);

}  // namespace skysock::bench
