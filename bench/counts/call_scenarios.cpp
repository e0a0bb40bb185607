// Paths without a kernel: timers, the hand-off from an event to a handler, packed Lua values.

#include <array>
#include <chrono>
#include <lua.hpp>
#include <memory>

#include "bench/counts/scenario.hpp"
#include "bench/counts/tally.hpp"
#include "core/service/service_host.hpp"
#include "core/service/timer_queue.hpp"
#include "lua/bindings/seri.hpp"

namespace skysock::bench::counts {
namespace {

using load::Outcome;

/// Times that spread as those of timeouts do, the same in every run.
TimerQueue::Time time_of(std::uint64_t number) {
  return TimerQueue::Time(std::chrono::microseconds(number * 7'919 % 60'000'000));
}

constexpr const char* kRoundTrip = R"(
  local seri = ...
  local pack, unpack = seri.packstring, seri.unpack
  local sent = { "hello", 42, 1.5, true, { name = "x", 1, 2, 3 } }
  return function(count)
    local a, b, c, d, e
    for _ = 1, count do
      a, b, c, d, e = unpack(pack(sent[1], sent[2], sent[3], sent[4], sent[5]))
    end
    return a == "hello" and b == 42 and c == 1.5 and d and e.name == "x" and #e == 3
  end
)";

/// Calls the function on top, which stays; whether it said true.
bool round_trips(lua_State* L, std::uint64_t count) {
  lua_pushvalue(L, -1);
  lua_pushinteger(L, static_cast<lua_Integer>(count));
  const bool right = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
  return right;
}

}  // namespace

Outcome<void> timer_add_take(const Scenario& /*scenario*/, std::uint64_t operations) {
  constexpr std::uint64_t kWaiting = 1'000;
  TimerQueue queue;
  // The session says when a timer is due.
  const auto session_of = [](TimerQueue::Time when) {
    return static_cast<Session>(when.time_since_epoch().count());
  };
  const auto add = [&](TimerQueue::Time when) { queue.add(when, {.session = session_of(when)}); };
  for (std::uint64_t number = 0; number < kWaiting; ++number) add(time_of(number));
  TimerQueue::Time before;
  const auto expire_and_add = [&](std::uint64_t count) {
    for (std::uint64_t done = 0; done < count; ++done) {
      const auto now = queue.next();
      const auto due = now ? queue.take_due(*now) : std::nullopt;
      if (!due || due->session != session_of(*now) || *now < before) return false;
      before = *now;
      add(*now + time_of(done + kWaiting).time_since_epoch());
    }
    return queue.size() == kWaiting;
  };
  if (!expire_and_add(kWaiting)) return std::unexpected("the earliest timer did not come out");
  const ServerTurn turn(true);
  if (!expire_and_add(operations)) return std::unexpected("the earliest timer did not come out");
  return {};
}

Outcome<void> mailbox_hand_off(const Scenario& /*scenario*/, std::uint64_t operations) {
  ServiceHost host(0, {.overloaded = [](ServiceHandle, std::string_view, std::size_t) {},
                       .ended = [](ServiceHandle) {},
                       .wake_reactor = [] {}});
  host.adopt_thread();
  std::uint64_t handled = 0;
  const ServiceHandle service = host.spawn("sum", [&](ServiceHandle) -> MessageHandler {
    return [&](Message&& message) {
      handled += static_cast<std::uint64_t>(std::get<SocketMessage>(message.payload).ud);
    };
  });
  const auto hand_off = [&](std::uint64_t count) {
    for (std::uint64_t done = 0; done < count; ++done) {
      host.deliver({.kind = EventKind::data, .id = 1, .to = service, .ud = 1});
      host.run();
    }
  };
  hand_off(100);
  handled = 0;
  {
    const ServerTurn turn(true);
    hand_off(operations);
  }
  if (handled != operations) return std::unexpected("messages were lost before the handler");
  return {};
}

Outcome<void> lua_seri_round_trip(const Scenario& /*scenario*/, std::uint64_t operations) {
  const std::unique_ptr<lua_State, void (*)(lua_State*)> vm(luaL_newstate(), lua_close);
  lua_State* L = vm.get();
  if (L == nullptr || luaL_loadstring(L, kRoundTrip) != LUA_OK) {
    return std::unexpected("no Lua state");
  }
  lua_newtable(L);
  lua::add_seri_functions(L);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK || !round_trips(L, operations)) {
    return std::unexpected("the values came back changed");
  }
  const ServerTurn turn(true);
  if (!round_trips(L, operations)) return std::unexpected("the values came back changed");
  return {};
}

}  // namespace skysock::bench::counts
