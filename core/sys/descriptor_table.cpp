#include "core/sys/descriptor_table.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>

namespace skysock {
namespace {

/// What a descriptor of a thread leads to, as /proc names it; empty: nothing.
std::string target_of(const std::filesystem::path& thread, int fd) {
  std::error_code error;
  return std::filesystem::read_symlink(thread / "fd" / std::to_string(fd), error).string();
}

/// Whether a descriptor that this thread opens is not seen by the first thread of the process: a
/// debugger that runs our threads in its own way (valgrind) says yes to unshare(2) and changes
/// nothing. A pipe's number is its own, so what the other thread has there by chance differs.
/// Raw calls: a sanitizer that watches descriptors believes in one table per process.
bool has_table_of_its_own() {
  int probe[2];
  if (syscall(SYS_pipe2, probe, O_CLOEXEC) != 0) return false;
  const std::string here = target_of("/proc/thread-self", probe[0]);
  const std::string there = target_of("/proc/self", probe[0]);
  for (const int fd : probe) syscall(SYS_close, fd);
  return !here.empty() && here != there;
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
