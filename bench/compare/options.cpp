#include "bench/compare/options.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace skysock::bench::compare {
namespace {

// Listener, epoll, timers, pipes, standard descriptors: ten or so; a foreign server has some more.
constexpr std::size_t kOtherDescriptors = 100;

load::Outcome<std::vector<Peer>> peers_of(const Options& options) {
  std::vector<Peer> peers = default_peers(options.source_dir);
  const std::size_t ours = peers.size();
  for (const std::string& text : options.server_texts) {
    auto peer = parse_server(text);
    if (!peer) return std::unexpected(peer.error());
    peers.push_back(std::move(*peer));
  }
  for (const std::string& text : options.peer_texts) {
    auto peer = parse_peer(text);
    if (!peer) return std::unexpected(peer.error());
    peers.push_back(std::move(*peer));
  }
  std::vector<std::string> added;
  for (std::size_t at = ours; at < peers.size(); ++at) added.push_back(peers[at].name);
  auto chosen = choose_peers(std::move(peers), options.only);
  if (!chosen) return chosen;
  for (const std::string& name : added) {
    if (std::ranges::find(*chosen, name, &Peer::name) != chosen->end()) continue;
    return std::unexpected(fmt::format(
        "--only '{}': leaves out server '{}' of --server or --peer; expected it among the names",
        options.only, name));
  }
  return chosen;
}

}  // namespace

const char* const kServerHelp = R"(Servers: plain_epoll (raw_epoll_server, the baseline),
plain_uring (raw_uring_server), libuv and asio (raw_libuv_server, raw_asio_server);
skysock_workers0, skysock_uring (poller=io_uring, without a worker, too) and skysock_workers1 (all
skysock --native); skysock_lua_workers0 and skysock_lua (skysock with lua/examples/echo.lua or a
script of bench/servers, without a worker and with one). They come from the folder of this program;
--server and --peer add more. {mode} in their COMMAND becomes echo, sink, source, broadcast,
udp_echo or connect, as the scenario needs; without it a server takes part where echo is asked for.
One that this kernel or this build cannot run is left out, and a line says so. Each is a process of
its own. CPU time is that of this one process, with all its threads, not of its children.
)";

void add_output_options(CLI::App& app, Options& options) {
  app.add_option("--json", options.json, "write the results to this file as JSON")
      ->type_name("FILE");
  app.add_option("--placement", options.placement_name,
                 "cross-cpu: servers on one CPU, load on another; same-cpu; free")
      ->capture_default_str();
}

void add_common_options(CLI::App& app, Options& options) {
  options.starts_servers = true;
  options.source_dir = SKYSOCK_SOURCE_DIR;
  app.add_option("--server", options.server_texts,
                 "one more server, that prints 'listening on HOST:PORT'; repeatable")
      ->type_name("NAME=COMMAND");
  app.add_option("--peer", options.peer_texts,
                 "one more server, that is told its port: {port} in COMMAND; repeatable")
      ->type_name("NAME=COMMAND");
  app.add_option("--only", options.only, "these servers, and plain_epoll")
      ->type_name("NAME[,NAME...]");
  add_output_options(app, options);
  app.add_option("--source-dir", options.source_dir,
                 "where lua/examples and bench/servers are found")
      ->capture_default_str();
}

int complain(ExitCode code, const std::string& problem) {
  fmt::print(stderr, "skysock-bench: {}\n{}", problem,
             code == kUsage ? "Run with --help for more information.\n" : "");
  return code;
}

namespace {

/// Fills `peers` and `left_out`; the exit code when there is nothing to measure, else -1.
int choose_servers(Options& options) {
  auto peers = peers_of(options);
  if (!peers) return complain(kUsage, peers.error());
  options.peers = std::move(*peers);
  options.left_out = take_unable(options.peers);
  for (const Peer& peer : options.left_out) {
    fmt::print(stderr, "skysock-bench: {} is left out: {}\n", peer.name, peer.unable);
  }
  if (!options.left_out.empty() && options.peers.size() == 1) {
    return complain(kCannotRun, fmt::format("--only '{}': none of them can run", options.only));
  }
  return -1;
}

}  // namespace

int parse(CLI::App& app, Options& options, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kPassed : kUsage;
  }
  if (const auto writable = check_json_file(options.json); !writable) {
    return complain(kUsage, writable.error());
  }
  auto placement = place(options.placement_name);
  if (!placement) return complain(kUsage, placement.error());
  options.placement = *placement;
  if (options.starts_servers) {
    if (const int code = choose_servers(options); code >= 0) return code;
  }
  settings() = {
      .placement = options.placement, .programs = own_folder(), .source_dir = options.source_dir};
  if (const auto pinned = pin_load(options.placement); !pinned) {
    return complain(kCannotRun, pinned.error());
  }
  return -1;
}

nlohmann::ordered_json left_out_json(const Options& options) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Peer& peer : options.left_out) {
    json.push_back({{"name", peer.name}, {"because", peer.unable}});
  }
  return json;
}

load::Outcome<void> allow_connections(std::size_t connections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= connections + kOtherDescriptors) return {};
  return std::unexpected(fmt::format(
      "{} connections need {} open files per process, expected 'ulimit -n' to allow them, it is {}",
      connections, connections + kOtherDescriptors, limit.rlim_cur));
}

}  // namespace skysock::bench::compare
