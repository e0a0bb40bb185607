#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/load/outcome.hpp"

namespace skysock::bench::compare {

enum class LoadKind : std::uint8_t {
  echo,    ///< Every connection sends, waits for the whole answer, sends again.
  accept,  ///< Connect, one byte each way, FIN by the client.
  idle,    ///< Connections that say nothing.
};

/// What every server is put through. The names are keys of records: renaming one is a decision.
struct Scenario {
  const char* name;
  LoadKind kind;
  std::size_t connections;  ///< Accept: in flight.
  std::size_t bytes;        ///< Per message.
  const char* operation;
  const char* question;
};

std::span<const Scenario> scenarios();

/// The scenarios named in "NAME,NAME"; "" means all. Error: names the unknown one and lists all.
load::Outcome<std::vector<Scenario>> choose_scenarios(const std::string& names);

/// Every scenario with its question, one line each.
std::string scenario_help();

}  // namespace skysock::bench::compare
