#pragma once

// Which servers a comparison runs.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/outcome.hpp"
#include "bench/server_process.hpp"

namespace skysock::bench::compare {

struct Peer {
  std::string name;
  /// What to run. In each word {mode} stands for the mode's name and {script} for the Lua script of
  /// that mode.
  std::vector<std::string> argv;
  std::uint16_t port =
      0;             ///< Given to a foreign program by "{port}"; 0: the program prints its own.
  bool ours = true;  ///< Its end is checked too: exit 0 after SIGTERM.
  std::string unable = {};      ///< Why it cannot run here; "" when it can.
  std::string source_dir = {};  ///< Where {script} is.
};

/// What runs `peer` in that mode.
std::vector<std::string> argv_in(const Peer& peer, std::string_view mode);

/// Whether it can be told the mode, or the mode is echo, which every server does. A program that is
/// told its port must be one of TCP: it is ready when it accepts.
bool takes_part(const Peer& peer, std::string_view mode);

/// The name of the server that all others are divided by; always the first of a comparison.
inline constexpr const char* kBaseline = "plain_epoll";

inline constexpr const char* kPlainUring = "plain_uring";
inline constexpr const char* kWorkers0 = "skysock_workers0";
inline constexpr const char* kSkysockUring = "skysock_uring";

/// The plain servers on epoll and io_uring, skysock without a worker thread on either, with one,
/// and with a Lua service. They are found beside this program. `source_dir`: of the Lua scripts.
std::vector<Peer> default_peers(const std::string& source_dir);

/// From "name=command": a program that prints "listening on HOST:PORT". The shell splits `command`,
/// in which {mode} may stand. Error: says what is missing.
load::Outcome<Peer> parse_server(const std::string& text);

/// From "name=command with {port}": each {port} becomes a free loopback port, and the server is
/// ready when it accepts a connection there.
load::Outcome<Peer> parse_peer(const std::string& text);

/// The peers named in "NAME,NAME" and the baseline, in the order of `peers`; "" means all.
load::Outcome<std::vector<Peer>> choose_peers(std::vector<Peer> peers, const std::string& names);

/// Takes out of `peers` those that cannot run here, and returns them.
std::vector<Peer> take_unable(std::vector<Peer>& peers);

load::Outcome<ServerProcess> start(const Peer& peer, std::string_view mode, std::optional<int> cpu);

}  // namespace skysock::bench::compare
