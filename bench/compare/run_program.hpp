#pragma once

// Runs skysock-bench as its users do, for tests.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/settings.hpp"
#include "bench/shell.hpp"

namespace skysock::bench::compare {

struct Ended : CommandEnd {
  nlohmann::json json;
};

/// Runs the shell's `before`, then skysock-bench with these words and --json. The output has
/// standard error in it.
inline Ended run(const std::string& words, const std::string& before = "") {
  const auto json = std::filesystem::temp_directory_path() /
                    ("compare_program_test." + std::to_string(getpid()) + ".json");
  const std::string command =
      before + own_folder() + "/skysock-bench " + words + " --json " + json.string() + " 2>&1";
  Ended result{run_command(command).value(), {}};
  std::ifstream file(json);
  result.json = nlohmann::json::parse(file, nullptr, false);
  std::filesystem::remove(json);
  return result;
}

/// As `before`: the program and the servers it starts see a kernel that has no io_uring.
inline std::string without_io_uring() { return own_folder() + "/without_io_uring "; }

inline constexpr const char* kTiny =
    "--compare-peers --placement free --rounds 3 --slice 0.01 --no-syscalls ";

inline std::string tiny_server(const std::string& options) {
  return "--only mine --server 'mine=" + own_folder() + "/tiny_echo_server " + options + "' ";
}

}  // namespace skysock::bench::compare
