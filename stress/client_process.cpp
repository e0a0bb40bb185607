#include "stress/client_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "stress/child_process.hpp"

namespace skysock::stress {

std::expected<ClientProcess, std::string> ClientProcess::start(ClientTask task) {
  const auto failed = [](const char* call, int reason) {
    return std::unexpected(fmt::format("cannot start a client process: {}: {}", call,
                                       std::generic_category().message(reason)));
  };
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return failed("pipe", errno);
  Descriptor read_end(fds[0]);
  Descriptor write_end(fds[1]);
  std::fflush(nullptr);  // Or the child prints the parent's text again.
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return failed("fork", errno);
  if (pid == 0) {
    die_with_parent(parent);
    ::signal(SIGINT, SIG_IGN);  // A terminal sends it to all; the parent decides.
    task.report_fd = write_end.get();
    // Exits without unwinding: the objects on the stack are the parent's.
    std::exit(run_client(task));  // NOLINT(concurrency-mt-unsafe)
  }
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  return ClientProcess(pid, std::move(read_end), task.index);
}

ClientProcess::ClientProcess(pid_t pid, Descriptor reports, std::uint64_t index)
    : pid_(pid), reports_(std::move(reports)), index_(index) {}

ClientProcess::ClientProcess(ClientProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      reports_(std::move(other.reports_)),
      index_(other.index_),
      buffer_(std::move(other.buffer_)),
      counters_(other.counters_),
      bad_line_(std::move(other.bad_line_)),
      status_(other.status_) {}

ClientProcess::~ClientProcess() {
  if (pid_ <= 0 || status_) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::vector<Finding> ClientProcess::read_reports() {
  std::array<char, 16384> buffer;
  while (reports_) {
    const ssize_t got = ::read(reports_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      reports_.reset();
      break;
    }
    buffer_.append(buffer.data(), static_cast<std::size_t>(got));
  }
  std::vector<Finding> findings;
  std::size_t begin = 0;
  for (auto end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n', begin)) {
    take_line(std::string_view(buffer_).substr(begin, end - begin), findings);
    begin = end + 1;
  }
  buffer_.erase(0, begin);
  return findings;
}

void ClientProcess::take_line(std::string_view line, std::vector<Finding>& findings) {
  auto report = decode(line);
  if (!report) {
    bad_line_ = report.error();
  } else if (auto* finding = std::get_if<Finding>(&*report)) {
    findings.push_back(std::move(*finding));
  } else {
    counters_ = std::get<Counters>(*report);
  }
}

void ClientProcess::signal(int number) const {
  if (pid_ > 0 && !status_) ::kill(pid_, number);
}

bool ClientProcess::over() {
  if (reports_) return false;
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return status_.has_value();
}

std::optional<Finding> ClientProcess::wrong_end() const {
  std::string what;
  if (!status_ || *status_ != 0) {
    what = status_ ? ExitStatus(*status_).text() : "still running";
  } else if (!bad_line_.empty()) {
    what = bad_line_;
  } else if (!counters_.final_report) {
    what = "ended without a final report";
  }
  if (what.empty()) return std::nullopt;
  Finding finding;
  finding.kind = FailureKind::client;
  finding.connection = connection_number(index_, 0);
  finding.detail = fmt::format("client process {} (pid {}): {}", index_, pid_, what);
  return finding;
}

}  // namespace skysock::stress
