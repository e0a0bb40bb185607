#include "bench/shell.hpp"

#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace skysock::bench {

load::Outcome<CommandEnd> run_command(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "re");  // NOLINT(bugprone-command-processor)
  if (pipe == nullptr) return std::unexpected("cannot start a shell: " + load::errno_text(errno));
  CommandEnd ended;
  std::array<char, 4096> part{};
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe)) {
    ended.output.append(part.data(), count);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
  return ended;
}

}  // namespace skysock::bench
