#include "bench/listing.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace skysock::bench {
namespace {

bool describes(const Described& family, const std::string& name) {
  const std::size_t length = family.family.size();
  return name.starts_with(family.family) && (name.size() == length || name[length] == '/');
}

/// Its place in `families`; their number when nothing describes it.
std::size_t family_of(const std::string& name, const std::vector<Described>& families) {
  std::size_t best = families.size();
  for (std::size_t at = 0; at < families.size(); ++at) {
    if (!describes(families[at], name)) continue;
    const bool longer =
        best == families.size() || families[at].family.size() > families[best].family.size();
    if (longer) best = at;
  }
  return best;
}

std::string count_text(const ListedLine& line) {
  if (!line.benchmarks) return "";
  return fmt::format("({} benchmark{})", *line.benchmarks, *line.benchmarks == 1 ? "" : "s");
}

}  // namespace

load::Outcome<std::vector<ListedGroup>> group_names(const std::vector<std::string>& names,
                                                    const std::vector<Described>& families) {
  std::vector<std::size_t> counts(families.size(), 0);
  for (const std::string& name : names) {
    const std::size_t family = family_of(name, families);
    if (family == families.size()) {
      return std::unexpected(fmt::format(
          "benchmark '{}': no family describes it; expected a describe() where it is registered",
          name));
    }
    ++counts[family];
  }
  std::vector<ListedGroup> groups;
  for (std::size_t at = 0; at < families.size(); ++at) {
    if (counts[at] == 0) continue;
    auto group = std::ranges::find(groups, families[at].group, &ListedGroup::heading);
    if (group == groups.end()) group = groups.insert(group, {.heading = families[at].group});
    group->lines.push_back({families[at].family, counts[at], families[at].question});
  }
  return groups;
}

std::string text_of(const std::vector<ListedGroup>& groups) {
  std::size_t name_width = 0;
  std::size_t count_width = 0;
  for (const ListedGroup& group : groups) {
    for (const ListedLine& line : group.lines) {
      name_width = std::max(name_width, line.name.size());
      count_width = std::max(count_width, count_text(line).size());
    }
  }
  std::string text;
  for (const ListedGroup& group : groups) {
    text += fmt::format("{}{}\n", text.empty() ? "" : "\n", group.heading);
    for (const ListedLine& line : group.lines) {
      text += fmt::format("  {:<{}}  {:<{}}  {}\n", line.name, name_width, count_text(line),
                          count_width, line.question);
    }
  }
  return text;
}

}  // namespace skysock::bench
