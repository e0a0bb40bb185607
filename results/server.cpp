#include "results/server.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

namespace skysock::results {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string with_newline(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

}  // namespace

std::optional<Listening> parse_listening(std::string_view line) {
  constexpr std::string_view kPrefix = "listening on ";
  if (!line.starts_with(kPrefix)) return std::nullopt;
  line.remove_prefix(kPrefix.size());
  const auto colon = line.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  Listening result;
  const std::string_view port = line.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc() || end != port.data() + port.size() || result.port == 0)
    return std::nullopt;
  std::string_view host = line.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  result.host = host;
  return result;
}

Outcome<Server> Server::start(const std::vector<std::string>& argv, std::optional<int> cpu,
                              milliseconds timeout) {
  auto child = Child::spawn(argv, cpu);
  if (!child) return std::unexpected(child.error());
  Server server(argv, std::move(*child));
  const auto deadline = steady_clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    const auto line = server.child_.read_line(std::max(left, milliseconds(0)));
    if (!line && server.child_.output_ended()) {
      return std::unexpected(server.blame("ended before it printed 'listening on HOST:PORT'"));
    }
    if (!line) {
      return std::unexpected(server.blame(
          fmt::format("did not print 'listening on HOST:PORT' within {} ms", timeout.count())));
    }
    if (const auto listening = parse_listening(*line)) {
      server.listening_ = *listening;
      return server;
    }
  }
}

Outcome<void> Server::stop() {
  if (auto stopped = child_.stop(); !stopped) return std::unexpected(blame(stopped.error().text));
  return {};
}

Problem Server::blame(const std::string& text) {
  std::string message = fmt::format("server '{}': {}\n", fmt::join(argv_, " "), text);
  // A server that has just died may need a moment to be reaped; one that lives is not worth waiting
  // for.
  if (const auto code = child_.wait(milliseconds(200))) {
    message += code > 128 ? fmt::format("  it was ended by signal {}\n", *code - 128)
                          : fmt::format("  it ended with exit code {}\n", *code);
  }
  const std::string errors = child_.error_output();
  message += errors.empty() ? "  its standard error is empty"
                            : "  its standard error:\n" + with_newline(errors);
  return Problem{kNothingMeasured, message};
}

}  // namespace skysock::results
