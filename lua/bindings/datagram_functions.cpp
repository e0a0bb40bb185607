// The part of skynet.socketdriver about datagram sockets. What cannot be made raises, as in skynet:
// there is no event to wait for.

#include <optional>
#include <string>

#include "core/net/udp_address.hpp"
#include "lua/bindings/caller.hpp"
#include "lua/bindings/driver_arguments.hpp"
#include "lua/bindings/modules.hpp"
#include "lua/bindings/outgoing.hpp"
#include "lua/bindings/send_answer.hpp"
#include "lua/bindings/service.hpp"

namespace skysock::lua {
namespace {

constexpr const char* kExpected = "\"host:port\" or host and port from 0 to 65535 expected";

// Calls `make(server, host, port)` with what `address` says.
template <typename Make>
Outcome with_host_port(Service& service, const Address& address, Make make) noexcept {
  const Result<HostPort> at = host_port(address);
  if (!at) return Outcome::mistake(kExpected);
  return outcome_of(make(service.runtime().sockets(), at->host, at->port));
}

int push_or_raise(lua_State* L, const char* what, const Outcome& outcome, int index) {
  if (outcome.malformed) raise_argument_at_caller(L, index, outcome.reason.data());
  if (!outcome.ok) {
    raise_at_caller(L, lua_pushfstring(L, "%s: %s", what, outcome.reason.data()));
  }
  lua_pushinteger(L, outcome.id);
  return 1;
}

Outcome open_datagrams(Service& service, const Address& address) noexcept {
  return with_host_port(service, address, [&](auto& sockets, const auto& host, auto port) {
    return sockets.udp(service.self(), host, port);
  });
}

Outcome open_unbound(Service& service) noexcept {
  return outcome_of(service.runtime().sockets().udp(service.self(), "", 0));
}

Outcome dial(Service& service, const Address& address) noexcept {
  return with_host_port(service, address, [&](auto& sockets, const auto& host, auto port) {
    return sockets.udp_dial(service.self(), host, port);
  });
}

Outcome set_destination(Service& service, SocketId id, const Address& address) noexcept {
  Outcome outcome =
      with_host_port(service, address, [&](auto& sockets, const auto& host, auto port) {
        return sockets.udp_connect(id, host, port);
      });
  outcome.id = id;
  return outcome;
}

// udp([host, port | "host:port"]) -> id; without an address an IPv4 socket that is not bound.
int socket_udp(lua_State* L) {
  Service& service = Service::of(L);
  if (lua_isnoneornil(L, 1) && lua_isnoneornil(L, 2)) {
    return push_or_raise(L, "udp", open_unbound(service), 1);
  }
  return push_or_raise(L, "udp", open_datagrams(service, check_address(L, 1)), 1);
}

// udp_listen(host, port | "host:port") -> id
int socket_udp_listen(lua_State* L) {
  return push_or_raise(L, "udp_listen", open_datagrams(Service::of(L), check_address(L, 1)), 1);
}

// udp_dial(host, port | "host:port") -> id, with that default destination.
int socket_udp_dial(lua_State* L) {
  return push_or_raise(L, "udp_dial", dial(Service::of(L), check_address(L, 1)), 1);
}

// udp_connect(id, host, port | "host:port"): the default destination from now on.
int socket_udp_connect(lua_State* L) {
  const SocketId id = check_id(L, 1);
  push_or_raise(L, "udp_connect", set_destination(Service::of(L), id, check_address(L, 2)), 2);
  return 0;
}

std::span<const std::byte> check_bytes(lua_State* L, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(L, index, &size);
  return std::as_bytes(std::span(text, size));
}

const char* send_to(Service& service, SocketId id, const UdpAddress& to,
                    const Outgoing& data) noexcept {
  return refusal_of(service.runtime().sockets().send_to(id, to, data.take(service.current())));
}

// What was given is freed, as by a send that is refused.
void discard(Service& service, const Outgoing& data) noexcept {
  [[maybe_unused]] const Block freed = data.take(service.current());
}

// udp_send(id, address, data[, size]) -> true | false, reason. `address` is what a datagram came
// with; `data` as for send().
int socket_udp_send(lua_State* L) {
  const SocketId id = check_id(L, 1);
  const std::optional<UdpAddress> to = UdpAddress::from_bytes(check_bytes(L, 2));
  const Outgoing data = check_outgoing(L, 3);
  if (to) return push_answer(L, send_to(Service::of(L), id, *to, data));
  discard(Service::of(L), data);
  return push_answer(L, "invalid address");
}

struct HostText {
  char text[INET6_ADDRSTRLEN] = {};
};

HostText host_text(const UdpAddress& address) noexcept {
  HostText host;
  address.endpoint().host().copy(host.text, sizeof host.text - 1);
  return host;
}

// udp_address(address) -> host, port
int socket_udp_address(lua_State* L) {
  const std::optional<UdpAddress> address = UdpAddress::from_bytes(check_bytes(L, 1));
  luaL_argcheck(L, address.has_value(), 1, "address of a datagram expected");
  lua_pushstring(L, host_text(*address).text);
  lua_pushinteger(L, address->endpoint().port());
  return 2;
}

}  // namespace

void add_datagram_functions(lua_State* L) {
  static constexpr luaL_Reg kFunctions[] = {{"udp", socket_udp},
                                            {"udp_listen", socket_udp_listen},
                                            {"udp_dial", socket_udp_dial},
                                            {"udp_connect", socket_udp_connect},
                                            {"udp_send", socket_udp_send},
                                            {"udp_address", socket_udp_address},
                                            {nullptr, nullptr}};
  luaL_setfuncs(L, kFunctions, 0);
}

}  // namespace skysock::lua
