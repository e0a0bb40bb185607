#pragma once

// What the command line of skysock-bench decides for all benchmarks.

#include <optional>
#include <string>

#include "bench/load/outcome.hpp"

namespace skysock::bench {

/// Where the server and the load run; part of a benchmark's identity, so it is in every record.
struct Placement {
  std::string name = "cross-cpu";
  std::optional<int> server_cpu;
  std::optional<int> load_cpu;
};

/// `same-cpu`, `cross-cpu` (the first two CPUs this process may use) or `free`.
/// Error: an unknown name, or fewer than two CPUs for cross-cpu.
load::Outcome<Placement> place(const std::string& name);

/// "servers on cpu 0, load on cpu 1".
std::string placement_text(const Placement& placement);

/// Pins the calling thread; does nothing without a CPU. Error: names the CPU.
load::Outcome<void> pin_thread(std::optional<int> cpu);

/// Pins the calling thread to the load's CPU.
load::Outcome<void> pin_load(const Placement& placement);

struct Settings {
  Placement placement;
  std::string programs;    ///< Folder of the server programs: our own.
  std::string source_dir;  ///< Of the Lua scripts.
  std::string tuning;      ///< For both skysock servers.
  bool full = false;       ///< Every size and count, not a selection.
};

/// Set once by main() before any benchmark runs.
Settings& settings();

/// The folder of the running program.
std::string own_folder();

/// Before anything is measured: can --json's file be written? What is in it stays. "": no file.
load::Outcome<void> check_json_file(const std::string& path);

}  // namespace skysock::bench
