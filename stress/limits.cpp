#include "stress/limits.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <fstream>

namespace skysock::stress {
namespace {

/// What a process has open besides its connections: standard streams, pipes, poller, libraries.
constexpr std::uint64_t kOtherFds = 64;
/// Linux's default, when the range cannot be read.
constexpr std::uint64_t kDefaultLocalPorts = 28232;

std::uint64_t raised_fd_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::uint64_t local_port_count() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (!(file >> low >> high) || high < low) return kDefaultLocalPorts;
  return high - low + 1;
}

}  // namespace

std::string why_it_does_not_fit(const Options& options, std::uint64_t fd_limit,
                                std::uint64_t local_ports) {
  const std::uint64_t all = options.clients * options.connections;
  const bool starts_server = options.target.empty();
  const std::uint64_t fds = (starts_server ? all : options.connections) + kOtherFds;
  if (fds > fd_limit) {
    return fmt::format(
        "{} needs {} file descriptors in {} and the limit is {} (ulimit -n); at most {} "
        "connections {} fit",
        starts_server ? "clients * connections" : "--connections", fds,
        starts_server ? "the server" : "each client", fd_limit,
        fd_limit < kOtherFds ? 0 : fd_limit - kOtherFds,
        starts_server ? "over all clients" : "per client");
  }
  if (all > local_ports) {
    return fmt::format(
        "clients * connections needs {} local ports and there are {} (ip_local_port_range)", all,
        local_ports);
  }
  if (options.clients + kOtherFds > fd_limit) {
    return fmt::format("{} clients need {} file descriptors here and the limit is {} (ulimit -n)",
                       options.clients, options.clients + kOtherFds, fd_limit);
  }
  return {};
}

std::string why_it_does_not_fit(const Options& options) {
  return why_it_does_not_fit(options, raised_fd_limit(), local_port_count());
}

}  // namespace skysock::stress
