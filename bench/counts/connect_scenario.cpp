// A service opens connections to a listener of the client's.

#include <poll.h>
#include <sys/socket.h>

#include "bench/counts/client.hpp"
#include "bench/counts/scenario.hpp"
#include "bench/counts/services.hpp"
#include "bench/counts/stream_steps.hpp"
#include "bench/counts/tally.hpp"

namespace skysock::bench::counts {
namespace {

/// One connection: opened by its owner's call, accepted and ended by the client, closed.
Outcome<void> connect_once(Stage& stage, const ServiceState& service, int listener,
                           std::uint16_t port, bool counted) {
  auto& sockets = stage.runtime().sockets();
  const std::size_t used = sockets.counts().slots_used;
  const auto id = [&] {
    const ServerTurn owner(counted);
    return sockets.open(service.handle, "127.0.0.1", port);
  }();
  if (!id) return std::unexpected("open: " + id.error().message());
  const ClientTurn turn;
  if (auto begun = stage.step(); !begun) return begun;
  if (auto there = wait_for(listener, POLLIN); !there) return there;
  const load::Fd client(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return std::unexpected("client: accept4: " + load::errno_text(errno));
  const auto server = server_end(client.get());
  if (!server) return std::unexpected(server.error());
  if (auto there = wait_for(*server, POLLOUT); !there) return there;
  const auto open = [&] { return sockets.state(*id) == State::connected; };
  if (auto opened = stage.step_until(open, "open"); !opened) return opened;
  if (auto said = end_sending(client.get()); !said) return said;
  if (auto there = wait_for(*server, POLLRDHUP); !there) return there;
  const auto closed = [&] { return sockets.counts().slots_used <= used; };
  if (auto ended = stage.step_until(closed, "close"); !ended) return ended;
  return {};
}

}  // namespace

Outcome<void> connect_out(const Scenario& scenario, std::uint64_t operations) {
  auto stage = Stage::open({.poller = static_cast<std::int64_t>(scenario.poller)});
  if (!stage) return std::unexpected(stage.error());
  const auto service = start_service((*stage)->runtime(), Duty::drop);
  if (!service) return std::unexpected(service.error());
  const auto listener = listen_here();
  if (!listener) return std::unexpected(listener.error());
  const auto port = port_of(listener->get());
  if (!port) return std::unexpected(port.error());
  if (auto locked = (*stage)->lock_step(); !locked) return locked;
  for (std::uint64_t done = 0; done < kWarmRounds + operations; ++done) {
    const bool counted = done >= kWarmRounds;
    if (done == kWarmRounds) (*stage)->begin();
    auto right = connect_once(**stage, **service, listener->get(), *port, counted);
    if (!right) return right;
  }
  (*stage)->end();
  return {};
}

}  // namespace skysock::bench::counts
