#include "fuzz/fuzz_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <utility>

#include "core/base/check.hpp"

namespace skysock::fuzz {
namespace {

/// In the child: never returns.
[[noreturn]] void execute(char* const* arguments, int log_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(log_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

FuzzProcess::FuzzProcess(std::vector<std::string> command, std::filesystem::path log)
    : log_(std::move(log)) {
  std::vector<char*> arguments;
  for (std::string& one : command) arguments.push_back(one.data());
  arguments.push_back(nullptr);
  const int log_fd = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  SKYSOCK_CHECK(log_fd >= 0);
  pid_ = fork();
  SKYSOCK_CHECK(pid_ >= 0);
  if (pid_ == 0) execute(arguments.data(), log_fd);
  ::close(log_fd);
  reader_.open(log_, std::ios::binary);
}

FuzzProcess::~FuzzProcess() {
  if (status_) return;
  kill();
  waitpid(pid_, nullptr, 0);
}

void FuzzProcess::kill() {
  if (!status_) ::kill(pid_, SIGKILL);
}

bool FuzzProcess::update() {
  if (status_) return false;
  int raw = 0;
  const bool ended = waitpid(pid_, &raw, WNOHANG) == pid_;
  read_log();
  if (!ended) return true;
  status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  ended_ = std::chrono::steady_clock::now();
  return false;
}

void FuzzProcess::read_log() {
  reader_.clear();  // The end that was met may not be the end any more.
  for (std::string piece; std::getline(reader_, piece);) {
    partial_line_ += piece;
    if (reader_.eof()) return;
    output_.take_line(partial_line_);
    partial_line_.clear();
  }
}

double FuzzProcess::seconds() const {
  const auto until = status_ ? ended_ : std::chrono::steady_clock::now();
  return std::chrono::duration<double>(until - started_).count();
}

std::string FuzzProcess::tail(std::size_t lines) const {
  std::ifstream file(log_, std::ios::binary);
  std::deque<std::string> last;
  for (std::string line; std::getline(file, line);) {
    last.push_back(line.substr(0, 200) + '\n');
    if (last.size() > lines) last.pop_front();
  }
  std::string text;
  for (const std::string& line : last) text += line;
  return text;
}

}  // namespace skysock::fuzz
