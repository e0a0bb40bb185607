#include "bench/harness.hpp"

#include <fmt/format.h>

#include <ctime>
#include <utility>
#include <vector>

#include "bench/settings.hpp"
#include "core/base/check.hpp"

namespace skysock::bench {
namespace {

int failure_count = 0;

std::vector<Described>& descriptions() {
  static std::vector<Described> list;
  return list;
}

std::chrono::nanoseconds own_cpu_time() {
  timespec time{};
  SKYSOCK_CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

double us_per(std::chrono::nanoseconds time, std::uint64_t operations) {
  return static_cast<double>(time.count()) / 1e3 / static_cast<double>(operations);
}

std::vector<std::string> command_of(ServerKind kind, ServerMode mode) {
  const Settings& set = settings();
  const std::string mode_name = mode == ServerMode::echo ? "echo" : "sink";
  const std::vector<std::string> tuning = set.tuning.empty()
                                              ? std::vector<std::string>()
                                              : std::vector<std::string>{"--tuning", set.tuning};
  std::vector<std::string> command;
  switch (kind) {
    case ServerKind::raw_epoll:
      command = {set.programs + "/raw_epoll_server", "--mode", mode_name};
      break;
    case ServerKind::skysock:
      command = {set.programs + "/skysock", "--native", mode_name, "--listen", "127.0.0.1:0"};
      command.insert(command.end(), tuning.begin(), tuning.end());
      return command;
    case ServerKind::lua:
      SKYSOCK_CHECK(mode == ServerMode::echo);
      command = {set.programs + "/skysock"};
      command.insert(command.end(), tuning.begin(), tuning.end());
      command.push_back(set.source_dir + "/lua/examples/echo.lua");
      break;
  }
  command.insert(command.end(), {"127.0.0.1", "0"});
  return command;
}

}  // namespace

std::string name_of(ServerKind kind) {
  switch (kind) {
    case ServerKind::skysock:
      return "skysock";
    case ServerKind::lua:
      return "lua";
    case ServerKind::raw_epoll:
      return "raw_epoll";
  }
  return "";
}

void fail(benchmark::State& state, const std::string& reason) {
  ++failure_count;
  state.SkipWithError(reason.c_str());
}

void describe(std::string group, std::string family, std::string question) {
  descriptions().push_back({std::move(group), std::move(family), std::move(question)});
}

const std::vector<Described>& described() { return descriptions(); }

std::vector<std::int64_t> values(std::vector<std::int64_t> few, std::vector<std::int64_t> all) {
  return settings().full ? std::move(all) : std::move(few);
}

int failures() { return failure_count; }

load::Outcome<ServerProcess> start_server(ServerKind kind, ServerMode mode) {
  return ServerProcess::start(command_of(kind, mode), settings().placement.server_cpu);
}

CpuMeter::CpuMeter(const ServerProcess& server)
    : server_(server), server_start_(server.cpu_time()), client_start_(own_cpu_time()) {}

void CpuMeter::report(benchmark::State& state, std::uint64_t operations) const {
  const auto server = server_.cpu_time() - server_start_;
  const auto client = own_cpu_time() - client_start_;
  state.SetItemsProcessed(static_cast<std::int64_t>(operations));
  state.counters["server_cpu_us_per_operation"] = us_per(server, operations);
  state.counters["client_cpu_us_per_operation"] = us_per(client, operations);
}

}  // namespace skysock::bench
