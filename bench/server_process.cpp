#include "bench/server_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <utility>

namespace skysock::bench {
namespace {

using load::Fd;
using load::Outcome;
using std::chrono::milliseconds;

constexpr milliseconds kStartLimit{20'000};  // A sanitised build on a busy machine needs seconds.
constexpr milliseconds kStopLimit{10'000};

/// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(char* const* argv, int output, int errors, std::optional<int> cpu,
                         pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);  // We died before the line above.
  if (cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(*cpu), &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) _exit(125);
  }
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  execv(argv[0], argv);
  _exit(127);
}

/// Copies the last bytes of a file to our standard error, from a whole line on.
void show_end_of(int file) {
  constexpr off_t kShownMax = 65'536;
  const off_t size = lseek(file, 0, SEEK_END);
  const off_t begin = std::max<off_t>(0, size - kShownMax);
  std::string text(static_cast<std::size_t>(std::max<off_t>(0, size - begin)), '\0');
  const ssize_t count = pread(file, text.data(), text.size(), begin);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, count)));
  if (begin > 0) text.erase(0, text.find('\n') + 1);
  fmt::print(stderr, "{}", text);
}

bool readable(int fd, milliseconds limit) {
  pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, static_cast<int>(limit.count())) > 0;
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("killed by {}", sigdescr_np(WTERMSIG(status)));
  return fmt::format("exit {}{}", WEXITSTATUS(status),
                     WEXITSTATUS(status) == 127   ? " (cannot be run)"
                     : WEXITSTATUS(status) == 125 ? " (cannot be pinned to its cpu)"
                                                  : "");
}

}  // namespace

Outcome<ServerProcess> ServerProcess::start(std::vector<std::string> argv, std::optional<int> cpu) {
  auto server = launch(std::move(argv), cpu);
  if (!server) return server;
  if (auto done = server->read_listening_line(); !done) return std::unexpected(done.error());
  return server;
}

Outcome<ServerProcess> ServerProcess::start_on(std::vector<std::string> argv, std::uint16_t port,
                                               std::optional<int> cpu) {
  auto server = launch(std::move(argv), cpu);
  if (!server) return server;
  if (auto done = server->wait_until_it_accepts(port); !done) return std::unexpected(done.error());
  return server;
}

Outcome<ServerProcess> ServerProcess::launch(std::vector<std::string> argv,
                                             std::optional<int> cpu) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return std::unexpected(fmt::format("pipe2: {}", load::errno_text(errno)));
  }
  Fd output(ends[0]);
  Fd input(ends[1]);
  Fd errors(memfd_create("standard error", MFD_CLOEXEC));
  if (!errors) return std::unexpected(fmt::format("memfd_create: {}", load::errno_text(errno)));
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (std::string& word : argv) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t self = getpid();
  const pid_t pid = fork();
  if (pid < 0) return std::unexpected(fmt::format("fork: {}", load::errno_text(errno)));
  if (pid == 0) become(pointers.data(), input.get(), errors.get(), cpu, self);
  ServerProcess server(fmt::format("{}", fmt::join(argv, " ")), pid, std::move(output),
                       std::move(errors));
  input = Fd();  // Closed here, so that the server's end is the end of its output.
  return server;
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : command_(std::move(other.command_)),
      pid_(std::exchange(other.pid_, -1)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)),
      host_(std::move(other.host_)),
      port_(other.port_),
      may_end_by_signal_(other.may_end_by_signal_) {}

ServerProcess::~ServerProcess() {
  if (pid_ >= 0 && !wait_for_end(milliseconds(0))) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    if (port_ != 0) return;  // Another was the reason: this one did what it was to do.
  }
  if (errors_) show_end_of(errors_.get());
}

Outcome<void> ServerProcess::read_listening_line() {
  const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
  std::string line;
  while (!line.ends_with('\n')) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    char byte = 0;
    if (left.count() <= 0 || !readable(output_.get(), left)) break;
    if (read(output_.get(), &byte, 1) != 1) break;
    line.push_back(byte);
  }
  constexpr std::string_view kStart = "listening on ";
  const std::size_t colon = line.rfind(':');
  if (line.starts_with(kStart) && line.ends_with('\n') && colon != std::string::npos) {
    host_ = line.substr(kStart.size(), colon - kStart.size());
    const char* end = line.data() + line.size() - 1;
    if (std::from_chars(line.data() + colon + 1, end, port_).ptr == end && port_ != 0) return {};
  }
  const auto status = wait_for_end(milliseconds(100));
  return std::unexpected(fmt::format("'{}': expected the line 'listening on HOST:PORT', got '{}'{}",
                                     command_, line,
                                     status ? ", " + how_it_ended(*status) : std::string()));
}

Outcome<void> ServerProcess::wait_until_it_accepts(std::uint16_t port) {
  host_ = "127.0.0.1";
  port_ = port;
  const auto target = load::resolve(host_, port);
  if (!target) return std::unexpected(target.error());
  const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto fd = load::begin_connect(*target);
    pollfd wanted{.fd = fd ? fd->get() : -1, .events = POLLOUT, .revents = 0};
    const bool answered = fd && ::poll(&wanted, 1, 1'000) > 0;
    if (answered && load::pending_error(fd->get()) == 0) return {};
    if (const auto status = wait_for_end(milliseconds(20))) {
      return std::unexpected(fmt::format("'{}': expected a server on {}, {}", command_,
                                         target->text, how_it_ended(*status)));
    }
  }
  return std::unexpected(fmt::format("'{}': no connection accepted on {} within {} ms", command_,
                                     target->text, kStartLimit.count()));
}

Outcome<void> ServerProcess::change_state(int signal, int option, const char* expected) {
  int status = 0;
  kill(pid_, signal);
  if (waitpid(pid_, &status, option) == pid_) {
    if (WIFSTOPPED(status) || WIFCONTINUED(status)) return {};
    pid_ = -1;
    return std::unexpected(
        fmt::format("'{}' ended while it was measured: {}", command_, how_it_ended(status)));
  }
  return std::unexpected(
      fmt::format("'{}': waiting until it {}: {}", command_, expected, load::errno_text(errno)));
}

Outcome<void> ServerProcess::pause() { return change_state(SIGSTOP, WUNTRACED, "stops"); }

Outcome<void> ServerProcess::resume() { return change_state(SIGCONT, WCONTINUED, "goes on"); }

bool ServerProcess::paused() const {
  std::ifstream stat(fmt::format("/proc/{}/stat", pid_));
  std::string text;
  std::getline(stat, text);
  const std::size_t end_of_name = text.rfind(") ");
  return end_of_name != std::string::npos && text[end_of_name + 2] == 'T';
}

std::chrono::nanoseconds ServerProcess::cpu_time() const {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) return {};
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::optional<int> ServerProcess::wait_for_end(milliseconds limit) {
  // By number: glibc 2.36 declares pidfd_open without extern "C".
  const Fd handle(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  int status = 0;
  if (!handle || !readable(handle.get(), limit)) return std::nullopt;
  if (waitpid(pid_, &status, 0) != pid_) return std::nullopt;
  pid_ = -1;
  return status;
}

Outcome<void> ServerProcess::stop() {
  if (const auto early = wait_for_end(milliseconds(0))) {
    return std::unexpected(
        fmt::format("'{}' ended while it was measured: {}", command_, how_it_ended(*early)));
  }
  // Before SIGTERM, and only if need be: a SIGCONT during its exit can hang the leak sanitizer.
  if (paused()) kill(pid_, SIGCONT);
  kill(pid_, SIGTERM);
  const auto status = wait_for_end(kStopLimit);
  const bool well = status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
  const bool by_signal =
      status && may_end_by_signal_ && WIFSIGNALED(*status) && WTERMSIG(*status) == SIGTERM;
  if (well || by_signal) {
    errors_ = Fd();
    return {};
  }
  return std::unexpected(
      fmt::format("'{}' after SIGTERM: expected exit 0, {}", command_,
                  status ? how_it_ended(*status)
                         : fmt::format("still running after {} ms", kStopLimit.count())));
}

}  // namespace skysock::bench
