#include "core/sys/descriptor_table.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>

namespace skysock {
namespace {

/// Whether a descriptor that this thread opens is seen by no other: a debugger that runs our
/// threads in its own way (valgrind) says yes to unshare(2) and changes nothing.
bool has_table_of_its_own() {
  const int probe = dup(STDERR_FILENO);
  if (probe < 0) return false;
  std::error_code error;
  const std::string self = std::to_string(gettid());
  std::filesystem::directory_iterator tasks("/proc/self/task", error);
  bool alone = !error;
  for (; alone && tasks != std::filesystem::directory_iterator(); tasks.increment(error)) {
    if (tasks->path().filename() == self) continue;
    std::error_code ignored;
    const auto link = tasks->path() / "fd" / std::to_string(probe);
    alone = !std::filesystem::exists(std::filesystem::symlink_status(link, ignored));
  }
  close(probe);
  return alone;
}

}  // namespace

void leave_descriptor_table(std::initializer_list<int> keep) {
  if (unshare(CLONE_FILES) != 0 || !has_table_of_its_own()) return;
  unsigned first = 0;
  for (const int fd : keep) {
    if (fd < 0) continue;
    const auto kept = static_cast<unsigned>(fd);
    if (kept > first) close_range(first, kept - 1, 0);
    first = std::max(first, kept + 1);
  }
  close_range(first, std::numeric_limits<unsigned>::max(), 0);
}

}  // namespace skysock
