#include "lua/bindings/log.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace skysock::lua {

void write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;  // Nobody to tell.
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

Result<int> Log::open(const std::string& path) noexcept {
  if (path.empty()) return STDERR_FILENO;
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
  const int fd = ::open(path.c_str(), kFlags, 0644);  // NOLINT: vararg
  if (fd < 0) return last_errno();
  return fd;
}

void Log::write(std::string_view line) noexcept {
  // A descriptor may be lacking just now: the old file takes this line, and the next one asks
  // again.
  if (stale_.load(std::memory_order_relaxed) && stale_.exchange(false) && !replace()) {
    stale_.store(true);
  }
  write_all(fd_, line);
}

Result<void> Log::reopen() noexcept {
  if (path_.empty()) return {};
  const auto made = open(path_);
  if (!made) return Failure(made.error());
  ::close(*made);
  stale_.store(true);
  return {};
}

// Others write to the descriptor meanwhile: it keeps its number and is never closed.
bool Log::replace() noexcept {
  const auto fresh = open(path_);
  if (!fresh) return false;
  const bool replaced = ::dup3(*fresh, fd_, O_CLOEXEC) == fd_;
  ::close(*fresh);
  return replaced;
}

}  // namespace skysock::lua
