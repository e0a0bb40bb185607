#include "core/sys/descriptor_table.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace skysock {
namespace {

/// Names of the entries of a directory, but those that begin with a dot. Raw calls: a sanitizer
/// that watches descriptors believes in one table per process.
std::vector<std::string> names_in(const char* directory) {
  std::vector<std::string> names;
  const auto fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, directory, O_RDONLY | O_CLOEXEC));
  if (fd < 0) return names;
  alignas(8) std::array<char, 4'096> buffer;
  for (;;) {
    const long got = syscall(SYS_getdents64, fd, buffer.data(), buffer.size());
    if (got <= 0) break;
    // Each entry: inode, offset, 16 bits of length, a byte of type, the name. See getdents64(2).
    constexpr std::size_t kLengthAt = 16;
    constexpr std::size_t kNameAt = 19;
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      std::uint16_t length = 0;
      std::memcpy(&length, buffer.data() + at + kLengthAt, sizeof length);
      const char* name = buffer.data() + at + kNameAt;
      if (name[0] != '.') names.emplace_back(name);
      at += length;
    }
  }
  syscall(SYS_close, fd);
  return names;
}

/// What a descriptor of a thread leads to, as /proc names it; empty: nothing.
std::string target_of(const std::string& thread, int fd) {
  std::error_code error;
  const auto link = std::filesystem::path("/proc/self/task") / thread / "fd" / std::to_string(fd);
  return std::filesystem::read_symlink(link, error).string();
}

/// Whether a descriptor that this thread opens is seen by no other thread: a debugger that runs our
/// threads in its own way (valgrind) says yes to unshare(2) and changes nothing. A pipe's number is
/// its own, so what another thread has there by chance differs.
bool has_table_of_its_own() {
  int probe[2];
  if (syscall(SYS_pipe2, probe, O_CLOEXEC) != 0) return false;
  const std::string self = std::to_string(gettid());
  const std::string here = target_of(self, probe[0]);
  const std::vector<std::string> threads = names_in("/proc/self/task");
  const bool shared = std::ranges::any_of(threads, [&](const std::string& thread) {
    return thread != self && target_of(thread, probe[0]) == here;
  });
  for (const int fd : probe) syscall(SYS_close, fd);
  return !here.empty() && !threads.empty() && !shared;
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
