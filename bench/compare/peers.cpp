#include "bench/compare/peers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <set>
#include <sstream>

#include "bench/peers/listener.hpp"
#include "bench/peers/raw_uring.hpp"
#include "bench/settings.hpp"
#include "core/net/tuning.hpp"

namespace skysock::bench::compare {
namespace {

constexpr std::string_view kPortMark = "{port}";
constexpr std::string_view kModeMark = "{mode}";
constexpr std::string_view kScriptMark = "{script}";
constexpr std::string_view kEcho = "echo";
constexpr std::string_view kUdpEcho = "udp_echo";

void replace_all(std::string& text, std::string_view mark, const std::string& value) {
  for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += value.size()) {
    text.replace(at, mark.size(), value);
  }
}

std::string script_of(const std::string& source_dir, std::string_view mode) {
  if (mode == kEcho || mode == kUdpEcho) {
    return fmt::format("{}/lua/examples/{}.lua", source_dir, mode);
  }
  return fmt::format("{}/bench/servers/{}.lua", source_dir, mode);
}

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
  const auto plain = [&](const char* name, const char* program) {
    return Peer{.name = name, .argv = {folder + program, "--mode", "{mode}", "127.0.0.1", "0"}};
  };
  const auto native = [&](const char* name, const std::string& tuning) {
    const auto known = parse_tuning(tuning);
    return Peer{
        .name = name,
        .argv = {skysock, "--native", "{mode}", "--listen", "127.0.0.1:0", "--tuning", tuning},
        .unable = known ? "" : known.error()};
  };
  const auto lua = [&](const char* name, const char* tuning) {
    return Peer{.name = name,
                .argv = {skysock, "--tuning", tuning, "{script}", "127.0.0.1", "0"},
                .source_dir = source_dir};
  };
  // On a thread of its own: the end of a ring interrupts the thread that used it some time later.
  const auto uring = std::async(std::launch::async, check_uring).get();
  std::vector<Peer> peers = {
      plain(kBaseline, "/raw_epoll_server"),   plain(kPlainUring, "/raw_uring_server"),
      plain("libuv", "/raw_libuv_server"),     plain("asio", "/raw_asio_server"),
      native(kWorkers0, "workers=0"),          native(kSkysockUring, "workers=0,poller=io_uring"),
      native("skysock_workers1", "workers=1"), lua("skysock_lua_workers0", "workers=0"),
      lua("skysock_lua", "workers=1")};
  for (Peer& peer : peers) {
    const bool needs_uring = peer.name == kPlainUring || peer.name == kSkysockUring;
    if (needs_uring && !uring) peer.unable = uring.error();
  }
  return peers;
}

std::vector<std::string> argv_in(const Peer& peer, std::string_view mode) {
  std::vector<std::string> argv = peer.argv;
  for (std::string& word : argv) {
    replace_all(word, kModeMark, std::string(mode));
    replace_all(word, kScriptMark, script_of(peer.source_dir, mode));
  }
  return argv;
}

bool takes_part(const Peer& peer, std::string_view mode) {
  if (mode == kEcho) return true;
  if (mode == kUdpEcho && peer.port != 0) return false;
  return argv_in(peer, mode) != argv_in(peer, kEcho);
}

std::vector<Peer> take_unable(std::vector<Peer>& peers) {
  const auto is_unable = [](const Peer& peer) { return !peer.unable.empty(); };
  std::vector<Peer> taken;
  std::ranges::copy_if(peers, std::back_inserter(taken), is_unable);
  std::erase_if(peers, is_unable);
  return taken;
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
  replace_all(command, kPortMark, std::to_string(*port));
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

load::Outcome<ServerProcess> start(const Peer& peer, std::string_view mode,
                                   std::optional<int> cpu) {
  auto server = peer.port == 0 ? ServerProcess::start(argv_in(peer, mode), cpu)
                               : ServerProcess::start_on(argv_in(peer, mode), peer.port, cpu);
  if (!server) return std::unexpected(fmt::format("server {}: {}", peer.name, server.error()));
  if (!peer.ours) server->allow_end_by_signal();
  return server;
}

}  // namespace skysock::bench::compare
