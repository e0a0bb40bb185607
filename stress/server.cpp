#include "stress/server.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>

namespace skysock::stress {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kListening = "listening on ";
/// Of the standard error, the first and the last this many bytes are kept: a sanitizer's first
/// report and the last words.
constexpr std::size_t kErrorBytesKept = std::size_t{32} << 10U;
/// A server that prints more than this before its listening line prints something else.
constexpr std::size_t kOutputBytesMax = std::size_t{64} << 10U;
constexpr int kPollMs = 50;

bool wait_readable(int first, int second, int third) {
  std::array<pollfd, 3> fds = {{{first, POLLIN, 0}, {second, POLLIN, 0}, {third, POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), kPollMs);
  return fds[2].revents != 0;
}

}  // namespace

std::expected<Server, StartError> Server::start(const std::vector<std::string>& command,
                                                double timeout_s, int stop_fd) {
  auto process = ChildProcess::start(command);
  if (!process) return std::unexpected(StartError{.text = process.error()});
  Server server(std::move(*process));
  const auto deadline = Clock::now() + std::chrono::duration<double>(timeout_s);
  const auto failed = [&server](std::string reason) {
    const std::string text = server.error_text();
    StartError error{.text = std::move(reason), .first_line = text.substr(0, text.find('\n'))};
    if (const auto ended = server.process_.poll_exit()) error.exit_code = ended->code();
    if (!text.empty()) error.text += "; its standard error was:\n" + text;
    return std::unexpected(std::move(error));
  };
  while (true) {
    const auto ended = server.process_.poll_exit();
    server.drain();
    if (server.find_address()) return server;
    if (ended) {
      return failed(fmt::format("'{}' ended ({}) before it printed '{}HOST:PORT'", command[0],
                                ended->text(), kListening));
    }
    if (Clock::now() >= deadline || server.output_.size() > kOutputBytesMax) {
      return failed(fmt::format("'{}' did not print '{}HOST:PORT' within {} s", command[0],
                                kListening, timeout_s));
    }
    if (wait_readable(server.output_fd(), server.error_fd(), stop_fd)) {
      return failed("stopped by a signal while the server started");
    }
  }
}

bool Server::find_address() {
  for (std::size_t begin = 0; begin < output_.size();) {
    const std::size_t end = output_.find('\n', begin);
    if (end == std::string::npos) return false;
    const std::string_view line = std::string_view(output_).substr(begin, end - begin);
    if (line.starts_with(kListening)) {
      address_ = line.substr(kListening.size());
      return true;
    }
    begin = end + 1;
  }
  return false;
}

void Server::drain() {
  process_.read_output(output_);
  if (!address_.empty()) output_.clear();
  process_.read_error(error_tail_);
  keep_error_bounded();
}

void Server::keep_error_bounded() {
  if (error_head_.size() < kErrorBytesKept) {
    const std::size_t more = std::min(kErrorBytesKept - error_head_.size(), error_tail_.size());
    error_head_.append(error_tail_, 0, more);
    error_tail_.erase(0, more);
  }
  if (error_tail_.size() <= kErrorBytesKept) return;
  error_bytes_left_out_ += error_tail_.size() - kErrorBytesKept;
  error_tail_.erase(0, error_tail_.size() - kErrorBytesKept);
}

std::optional<std::string> Server::died() {
  const auto ended = process_.poll_exit();
  if (!ended) return std::nullopt;
  drain();
  return fmt::format("the server died during the run: {}", ended->text());
}

std::optional<std::string> Server::stop(double timeout_s) {
  if (auto early = died()) return early;
  process_.signal(SIGTERM);
  const auto deadline = Clock::now() + std::chrono::duration<double>(timeout_s);
  while (true) {
    const auto ended = process_.poll_exit();
    drain();
    if (ended && ended->success()) return std::nullopt;
    if (ended) return fmt::format("the server answered SIGTERM with {}, not 0", ended->text());
    if (Clock::now() >= deadline) {
      process_.signal(SIGKILL);
      return fmt::format("the server did not end within {} s of SIGTERM", timeout_s);
    }
    wait_readable(output_fd(), error_fd(), -1);
  }
}

std::string Server::error_text() const {
  if (error_bytes_left_out_ == 0) return error_head_ + error_tail_;
  return fmt::format("{}\n[... {} bytes left out ...]\n{}", error_head_, error_bytes_left_out_,
                     error_tail_);
}

}  // namespace skysock::stress
