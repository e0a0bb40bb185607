#include "bench/compare/peers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "bench/peers/listener.hpp"
#include "bench/settings.hpp"
#include "core/net/tuning.hpp"

namespace skysock::bench::compare {
namespace {

constexpr std::string_view kPortMark = "{port}";

/// exec: the process that is measured and stopped is the server, not a shell.
std::vector<std::string> shell(const std::string& command) {
  return {"/bin/sh", "-c", "exec " + command};
}

load::Outcome<Peer> parse(const std::string& text, const char* option, const char* expected) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return std::unexpected(fmt::format("{} '{}': expected '{}'", option, text, expected));
  }
  return Peer{
      .name = text.substr(0, equals), .argv = shell(text.substr(equals + 1)), .ours = false};
}

load::Outcome<std::uint16_t> free_port() {
  const auto listener = listen_on("127.0.0.1", 0);
  if (!listener) return std::unexpected(listener.error());
  return port_of(*listener);
}

}  // namespace

std::vector<Peer> default_peers(const std::string& source_dir) {
  const std::string folder = own_folder();
  const std::string skysock = folder + "/skysock";
  const auto native = [&](const std::string& tuning) -> std::vector<std::string> {
    return {skysock, "--native", "echo", "--listen", "127.0.0.1:0", "--tuning", tuning};
  };
  std::vector<Peer> peers = {
      {.name = kBaseline, .argv = {folder + "/raw_epoll_server", "127.0.0.1", "0"}},
      {.name = "skysock_workers0", .argv = native("workers=0")},
      {.name = "skysock_workers1", .argv = native("workers=1")},
      {.name = "skysock_lua",
       .argv = {skysock, "--tuning", "workers=1", source_dir + "/lua/examples/echo.lua",
                "127.0.0.1", "0"}},
  };
  // The reactor thread runs the services itself, where the runtime can do that.
  if (!parse_tuning("workers=0"))
    std::erase_if(peers, [](const Peer& peer) { return peer.name == "skysock_workers0"; });
  return peers;
}

load::Outcome<Peer> parse_server(const std::string& text) {
  return parse(text, "--server", "NAME=COMMAND");
}

load::Outcome<Peer> parse_peer(const std::string& text) {
  constexpr const char* kExpected = "NAME=COMMAND with {port}";
  auto peer = parse(text, "--peer", kExpected);
  if (!peer) return peer;
  std::string& command = peer->argv.back();
  if (command.find(kPortMark) == std::string::npos) {
    return std::unexpected(fmt::format("--peer '{}': expected '{}'", text, kExpected));
  }
  const auto port = free_port();
  if (!port) return std::unexpected(port.error());
  peer->port = *port;
  for (std::size_t at = 0; (at = command.find(kPortMark, at)) != std::string::npos;) {
    command.replace(at, kPortMark.size(), std::to_string(*port));
  }
  return peer;
}

load::Outcome<std::vector<Peer>> choose_peers(std::vector<Peer> peers, const std::string& names) {
  std::string known;
  std::set<std::string> all;
  for (const Peer& peer : peers) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", peer.name);
    if (!all.insert(peer.name).second) {
      return std::unexpected(fmt::format("server '{}': named twice", peer.name));
    }
  }
  if (names.empty()) return peers;
  std::set<std::string> wanted = {kBaseline};
  std::istringstream words(names);
  for (std::string name; std::getline(words, name, ',');) {
    if (!all.contains(name)) {
      return std::unexpected(fmt::format("--only '{}': expected one of {}", name, known));
    }
    wanted.insert(name);
  }
  std::erase_if(peers, [&](const Peer& peer) { return !wanted.contains(peer.name); });
  return peers;
}

load::Outcome<ServerProcess> start(const Peer& peer, std::optional<int> cpu) {
  auto server = peer.port == 0 ? ServerProcess::start(peer.argv, cpu)
                               : ServerProcess::start_on(peer.argv, peer.port, cpu);
  if (!server) return std::unexpected(fmt::format("server {}: {}", peer.name, server.error()));
  if (!peer.ours) server->allow_end_by_signal();
  return server;
}

}  // namespace skysock::bench::compare
