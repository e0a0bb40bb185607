#include "bench/compare/strace.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <sstream>
#include <utility>

namespace skysock::bench::compare {
namespace {

using load::errno_text;
using load::Fd;
using load::Outcome;

constexpr std::chrono::milliseconds kAttachLimit{20'000};

/// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(char* const* argv, int messages, int summary) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(messages, STDERR_FILENO);
  fcntl(summary, F_SETFD, 0);  // NOLINT: vararg. strace opens it by name.
  execvp(argv[0], argv);
  constexpr std::string_view kMissing = "not found; it is in the package strace\n";
  [[maybe_unused]] const ssize_t said = write(STDERR_FILENO, kMissing.data(), kMissing.size());
  _exit(127);
}

std::string read_file(const Fd& file) {
  std::string text;
  std::array<char, 4096> part{};
  ssize_t count = 0;
  while ((count = pread(file.get(), part.data(), part.size(), static_cast<off_t>(text.size()))) >
         0) {
    text.append(part.data(), static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace

Outcome<CallCounts> parse_summary(const std::string& text) {
  CallCounts counts;
  std::istringstream lines(text);
  bool in_table = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("---")) {
      if (in_table) break;  // What follows is the total.
      in_table = true;
      continue;
    }
    if (!in_table) continue;  // The heading.
    std::istringstream words(line);
    std::string name;
    std::uint64_t calls = 0;
    if (!(words >> name >> calls)) {
      return std::unexpected(fmt::format("strace: expected 'NAME CALLS', got '{}'", line));
    }
    counts[name] += calls;
  }
  return counts;
}

Outcome<Strace> Strace::attach(pid_t pid) {
  std::array<int, 2> ends{};
  Fd summary(memfd_create("strace summary", MFD_CLOEXEC));
  if (!summary || pipe2(ends.data(), O_CLOEXEC) != 0) {
    return std::unexpected(fmt::format("strace: {}", errno_text(errno)));
  }
  Fd messages(ends[0]);
  Fd its_messages(ends[1]);
  std::array<std::string, 8> words = {"strace", "-f",
                                      "-c",     "-Uname,calls",
                                      "-o",     fmt::format("/proc/self/fd/{}", summary.get()),
                                      "-p",     std::to_string(pid)};
  std::array<char*, 9> argv{};
  for (std::size_t at = 0; at < words.size(); ++at) argv[at] = words[at].data();
  const pid_t child = fork();
  if (child < 0) return std::unexpected(fmt::format("strace: fork: {}", errno_text(errno)));
  if (child == 0) become(argv.data(), its_messages.get(), summary.get());
  its_messages = Fd();  // Closed here, so that its end is the end of its messages.
  Strace strace(child, std::move(messages), std::move(summary));
  if (auto attached = strace.wait_until_attached(); !attached) {
    return std::unexpected(attached.error());
  }
  return strace;
}

Strace::Strace(Strace&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      messages_(std::move(other.messages_)),
      summary_(std::move(other.summary_)) {}

Strace::~Strace() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Outcome<void> Strace::wait_until_attached() {
  const auto deadline = std::chrono::steady_clock::now() + kAttachLimit;
  std::string said;
  while (said.find(" attached") == std::string::npos) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd wanted{.fd = messages_.get(), .events = POLLIN, .revents = 0};
    std::array<char, 512> part{};
    const bool ready = left.count() > 0 && poll(&wanted, 1, static_cast<int>(left.count())) > 0;
    const ssize_t count = ready ? read(messages_.get(), part.data(), part.size()) : 0;
    if (count <= 0) {
      return std::unexpected(fmt::format("strace cannot attach: {}", said));
    }
    said.append(part.data(), static_cast<std::size_t>(count));
  }
  return {};
}

Outcome<CallCounts> Strace::detach() {
  kill(pid_, SIGINT);
  int status = 0;
  if (waitpid(std::exchange(pid_, -1), &status, 0) < 0) {
    return std::unexpected(fmt::format("strace: waiting for its end: {}", errno_text(errno)));
  }
  return parse_summary(read_file(summary_));
}

}  // namespace skysock::bench::compare
