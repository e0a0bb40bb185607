#include "results/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace skysock::results {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr off_t kErrorBytesShown = 4096;

/// What the child does between fork and exec. Never returns.
[[noreturn]] void become(const std::vector<std::string>& argv, std::optional<int> cpu, int output,
                         int errors, pid_t parent) {
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // The parent died before the line above.
  if (cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(*cpu), &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
      dprintf(STDERR_FILENO, "cannot pin to cpu %d: %s\n", *cpu, load::errno_text(errno).c_str());
      _exit(127);
    }
  }
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (const std::string& word : argv) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  execvp(pointers[0], pointers.data());
  dprintf(STDERR_FILENO, "cannot run %s: %s\n", pointers[0], load::errno_text(errno).c_str());
  _exit(127);
}

/// Waits until `fd` is readable; false when `deadline` passed.
bool readable(int fd, steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    pollfd entry{fd, POLLIN, 0};
    const int count = poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (count != 0 && !(count < 0 && errno == EINTR)) return true;
    if (left.count() <= 0) return false;
  }
}

}  // namespace

Outcome<std::vector<std::string>> split_command(const std::string& line) {
  wordexp_t words{};
  const int code =
      wordexp(line.c_str(), &words, WRDE_NOCMD | WRDE_UNDEF);  // NOLINT(concurrency-mt-unsafe)
  if (code != 0) {
    return problem(
        kUsage,
        fmt::format("cannot split the command '{}': expected plain words and quotes, no shell "
                    "operators, commands or unset variables",
                    line));
  }
  std::vector<std::string> argv(words.we_wordv, words.we_wordv + words.we_wordc);
  wordfree(&words);
  if (argv.empty()) return problem(kUsage, "the command is empty");
  return argv;
}

Child::Child(pid_t pid, load::Fd pidfd, load::Fd output, load::Fd errors)
    : pid_(pid), pidfd_(std::move(pidfd)), output_(std::move(output)), errors_(std::move(errors)) {}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)),
      unread_(std::move(other.unread_)),
      output_ended_(other.output_ended_),
      exit_code_(other.exit_code_) {}

Child::~Child() {
  if (pid_ < 0 || exit_code_) return;
  kill(pid_, SIGKILL);
  wait(std::chrono::seconds(10));
}

Outcome<Child> Child::spawn(const std::vector<std::string>& argv, std::optional<int> cpu) {
  const auto fail = [](const char* call) {
    return problem(kNothingMeasured, fmt::format("{}: {}", call, load::errno_text(errno)));
  };
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return fail("pipe2");
  load::Fd output(ends[0]);
  const load::Fd output_writer(ends[1]);
  load::Fd errors(memfd_create("stderr", MFD_CLOEXEC));
  if (!errors) return fail("memfd_create");
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return fail("fork");
  if (pid == 0) become(argv, cpu, output_writer.get(), errors.get(), parent);
  load::Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  Child child(pid, std::move(pidfd), std::move(output), std::move(errors));
  if (!child.pidfd_) return fail("pidfd_open");
  return child;
}

std::optional<std::string> Child::read_line(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (true) {
    if (const auto end = unread_.find('\n'); end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    if (output_ended_) return std::nullopt;
    if (!readable(output_.get(), deadline)) return std::nullopt;
    std::array<char, 4096> buffer{};
    const ssize_t count = read(output_.get(), buffer.data(), buffer.size());
    if (count > 0) unread_.append(buffer.data(), static_cast<std::size_t>(count));
    output_ended_ = count == 0 || (count < 0 && errno != EINTR);
  }
}

Outcome<std::chrono::nanoseconds> Child::cpu_time() const {
  clockid_t clock{};
  timespec time{};
  int code = clock_getcpuclockid(pid_, &clock);
  if (code == 0 && clock_gettime(clock, &time) != 0) code = errno;
  if (code != 0) {
    return problem(kNothingMeasured,
                   fmt::format("CPU clock of process {}: {}", pid_, load::errno_text(code)));
  }
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::optional<int> Child::wait(milliseconds timeout) {
  if (exit_code_) return exit_code_;
  if (!readable(pidfd_.get(), steady_clock::now() + timeout)) return std::nullopt;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return std::nullopt;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_code_;
}

Outcome<void> Child::stop(milliseconds patience) {
  if (const auto code = wait(milliseconds(0))) {
    return problem(kNothingMeasured, fmt::format("ended early with exit code {}", *code));
  }
  kill(pid_, SIGTERM);
  const auto code = wait(patience);
  if (!code) {
    kill(pid_, SIGKILL);
    wait(std::chrono::seconds(10));
    return problem(kNothingMeasured,
                   fmt::format("did not end within {} ms of SIGTERM", patience.count()));
  }
  if (*code != 0 && *code != 128 + SIGTERM) {
    return problem(kNothingMeasured, fmt::format("ended with exit code {} after SIGTERM", *code));
  }
  return {};
}

std::string Child::error_output() const {
  const off_t size = lseek(errors_.get(), 0, SEEK_END);
  const off_t first = std::max<off_t>(0, size - kErrorBytesShown);
  std::string text(static_cast<std::size_t>(std::max<off_t>(0, size - first)), '\0');
  const ssize_t count = pread(errors_.get(), text.data(), text.size(), first);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, count)));
  return text;
}

std::optional<std::string> output_of(const std::vector<std::string>& argv) {
  auto child = Child::spawn(argv);
  if (!child) return std::nullopt;
  std::string text;
  const auto deadline = steady_clock::now() + std::chrono::seconds(10);
  const auto left = [&] {
    return std::max(milliseconds(0),
                    std::chrono::ceil<milliseconds>(deadline - steady_clock::now()));
  };
  while (auto line = child->read_line(left())) text += *line + "\n";
  if (child->wait(left()) != 0) return std::nullopt;
  return text;
}

}  // namespace skysock::results
