#include "lua/native_command.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <utility>

#include "core/sys/endpoint.hpp"
#include "lua/output.hpp"

namespace skysock::lua {
namespace {

constexpr std::array kModes = {
    std::pair{"echo", NativeMode::echo},         std::pair{"sink", NativeMode::sink},
    std::pair{"source", NativeMode::source},     std::pair{"broadcast", NativeMode::broadcast},
    std::pair{"udp_echo", NativeMode::udp_echo}, std::pair{"connect", NativeMode::connect}};

constexpr const char* kModeNames = "echo|sink|source|broadcast|udp_echo|connect";

std::optional<NativeMode> mode_of(std::string_view name) {
  for (const auto& [known, mode] : kModes) {
    if (name == known) return mode;
  }
  return std::nullopt;
}

/// As parse_host_port() reads it.
std::string address_text(const std::string& host, std::uint16_t port) {
  return host.contains(':') ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace

void add_native_options(CLI::App& app, NativeCommand& command) {
  app.add_option("--native", command.mode,
                 "A C++ service instead of SCRIPT.lua. echo: sends back what comes; sink: counts "
                 "what comes; source: sends an endless stream to every peer until it closes; "
                 "broadcast: what a connection sends behind a first 'p' goes to all whose first "
                 "byte was 's'; udp_echo: sends every datagram back; connect: makes the "
                 "connections that lines 'HOST PORT COUNT IN_FLIGHT' order")
      ->type_name(kModeNames);
  app.add_option("--listen", command.listen,
                 "Where the C++ service listens; port 0: any free one, see the line "
                 "'listening on HOST:PORT'")
      ->type_name("HOST:PORT");
}

std::expected<std::optional<NativeOptions>, std::string> parse_native(
    const NativeCommand& command) {
  if (command.mode.empty() && command.listen.empty()) return std::nullopt;
  if (command.mode.empty()) {
    return std::unexpected(fmt::format("--listen is for --native {}", kModeNames));
  }
  const auto mode = mode_of(command.mode);
  if (!mode) {
    return std::unexpected(fmt::format("--native '{}': expected {}", command.mode, kModeNames));
  }
  if (command.listen.empty()) return std::unexpected("--native needs --listen HOST:PORT");
  const auto address = parse_host_port(command.listen);
  if (!address || address->host.empty()) {
    return std::unexpected(fmt::format(
        "--listen '{}': expected HOST:PORT, like 127.0.0.1:8001 or [::1]:8001", command.listen));
  }
  return NativeOptions{.mode = *mode, .host = address->host, .port = address->port};
}

ServiceHandle spawn_native(Runtime& runtime, const NativeOptions& options,
                           std::atomic<bool>& failed) {
  const std::string host = options.host;
  const std::string wanted = address_text(host, options.port);
  NativeHooks hooks{
      .on_listening =
          [host](std::uint16_t port) {
            print_to(stdout, fmt::format("listening on {}\n", address_text(host, port)));
            std::fflush(stdout);
          },
      .on_failure =
          [wanted, &failed, &runtime](std::string_view reason) {
            print_to(stderr,
                     fmt::format("skysock: error: cannot listen on {}: {}\n", wanted, reason));
            failed.store(true);
            runtime.request_stop();
          },
      .on_refusal =
          [](std::string_view reason) {
            print_to(stderr,
                     fmt::format("skysock: warning: a connection was refused: {}\n", reason));
          }};
  return runtime.spawn("native", native_service(runtime, options, std::move(hooks)));
}

}  // namespace skysock::lua
