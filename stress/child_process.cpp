#include "stress/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <system_error>

#include "core/base/check.hpp"

namespace skysock::stress {
namespace {

constexpr int kCannotExec = 127;

struct Pipe {
  Descriptor read;
  Descriptor write;
};

std::optional<Pipe> make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return std::nullopt;
  return Pipe{Descriptor(fds[0]), Descriptor(fds[1])};
}

void reset_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGCHLD}) std::signal(number, SIG_DFL);
}

/// The child's side: never returns. Tells its errno through `status` when exec fails.
[[noreturn]] void become(char** argv, pid_t parent, int output, int error, int status) {
  die_with_parent(parent);
  ::setpgid(0, 0);
  reset_signals();
  const int empty = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(empty, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(error, STDERR_FILENO);
  ::execvp(argv[0], argv);
  const int reason = errno;
  if (::write(status, &reason, sizeof reason) < 0) ::_exit(kCannotExec);
  ::_exit(kCannotExec);
}

/// 0 when exec worked (the pipe closed by itself), else its errno.
int exec_error(int status) {
  int reason = 0;
  ssize_t got = 0;
  do {
    got = ::read(status, &reason, sizeof reason);
  } while (got < 0 && errno == EINTR);
  return got == sizeof reason ? reason : 0;
}

std::unexpected<std::string> cannot_start(const std::string& program, int reason) {
  return std::unexpected(
      fmt::format("cannot start '{}': {}", program, std::generic_category().message(reason)));
}

}  // namespace

std::optional<int> ExitStatus::code() const {
  if (!WIFEXITED(status_)) return std::nullopt;
  return WEXITSTATUS(status_);
}

std::string ExitStatus::text() const {
  if (WIFSIGNALED(status_)) {
    const int number = WTERMSIG(status_);
    return fmt::format("killed by signal {} ({})", number, ::strsignal(number));
  }
  return fmt::format("exit status {}", WEXITSTATUS(status_));
}

void die_with_parent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kCannotExec);  // It died before the line above.
}

std::expected<ChildProcess, std::string> ChildProcess::start(const std::vector<std::string>& argv) {
  SKYSOCK_CHECK(!argv.empty());
  auto output = make_pipe();
  auto error = make_pipe();
  auto status = make_pipe();
  if (!output || !error || !status) return cannot_start(argv[0], errno);
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (const std::string& word : argv) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return cannot_start(argv[0], errno);
  if (pid == 0) {
    become(pointers.data(), parent, output->write.get(), error->write.get(), status->write.get());
  }
  ChildProcess child(pid, std::move(output->read), std::move(error->read));
  status->write.reset();
  const int reason = exec_error(status->read.get());
  if (reason != 0) return cannot_start(argv[0], reason);
  return child;
}

ChildProcess::ChildProcess(pid_t pid, Descriptor output, Descriptor error)
    : pid_(pid), output_(std::move(output)), error_(std::move(error)) {
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(error_.get(), F_SETFL, O_NONBLOCK);
}

ChildProcess::~ChildProcess() {
  if (pid_ <= 0 || exit_) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void ChildProcess::drain(Descriptor& pipe, std::string& into) {
  std::array<char, 4096> buffer;
  while (pipe) {
    const ssize_t got = ::read(pipe.get(), buffer.data(), buffer.size());
    if (got > 0) {
      into.append(buffer.data(), static_cast<std::size_t>(got));
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    pipe.reset();
  }
}

std::optional<ExitStatus> ChildProcess::poll_exit() {
  if (exit_ || pid_ <= 0) return exit_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) exit_ = ExitStatus(status);
  return exit_;
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0 && !exit_) ::kill(pid_, number);
}

std::string program_directory() {
  std::array<char, PATH_MAX> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) return ".";
  const std::string_view whole(path.data(), static_cast<std::size_t>(size));
  return std::string(whole.substr(0, whole.rfind('/')));
}

}  // namespace skysock::stress
