#include "bench/counts/scenario.hpp"

#include <algorithm>
#include <array>

namespace skysock::bench::counts {
namespace {

constexpr PollerKind kEpoll = PollerKind::epoll_lt;
constexpr PollerKind kUring = PollerKind::io_uring;

constexpr std::array kScenarios = {
    Scenario{"accept_fin", "connection accepted, started, closed after the peer's FIN", 200, kEpoll,
             accept_fin},
    Scenario{"accept_fin_uring", "the same over io_uring", 200, kUring, accept_fin},
    Scenario{"accept_rst", "connection accepted, started, closed after the peer's RST", 200, kEpoll,
             accept_rst},
    Scenario{"accept_rst_uring", "the same over io_uring", 200, kUring, accept_rst},
    Scenario{"echo_64B_1", "message of 64 bytes there and back, 1 connection", 400, kEpoll,
             echo_64B_1},
    Scenario{"echo_64B_1_uring", "the same over io_uring", 400, kUring, echo_64B_1},
    Scenario{"echo_64B_100", "message of 64 bytes there and back, 100 connections in step", 1'000,
             kEpoll, echo_64B_100},
    Scenario{"echo_64B_100_uring", "the same over io_uring", 1'000, kUring, echo_64B_100},
    Scenario{"echo_16KiB", "message of 16 KiB there and back, 1 connection", 200, kEpoll,
             echo_16KiB},
    Scenario{"echo_16KiB_uring", "the same over io_uring", 200, kUring, echo_16KiB},
    Scenario{"send_beyond_buffer", "256 KiB sent, of which the kernel takes a part at a time", 50,
             kEpoll, send_beyond_buffer},
    Scenario{"send_beyond_buffer_uring", "the same over io_uring", 50, kUring, send_beyond_buffer},
    Scenario{"ingest_1KiB", "message of 1 KiB into a service that only counts", 400, kEpoll,
             ingest_1KiB},
    Scenario{"ingest_1KiB_uring", "the same over io_uring", 400, kUring, ingest_1KiB},
    Scenario{"control_packet", "set-option packet from another thread, in batches of 100", 2'000,
             kEpoll, control_packet},
    Scenario{"connect_out", "connection opened by a service, closed after the peer's FIN", 200,
             kEpoll, connect_out},
    Scenario{"connect_out_uring", "the same over io_uring", 200, kUring, connect_out},
    Scenario{"udp_echo_64B", "datagram of 64 bytes there and back", 400, kEpoll, udp_echo},
    Scenario{"udp_echo_64B_uring", "the same over io_uring", 400, kUring, udp_echo},
    Scenario{"timer_add_take", "timer inserted and expired while 1,000 others wait", 2'000, kEpoll,
             timer_add_take},
    Scenario{"mailbox_hand_off", "event to message to mailbox to handler", 2'000, kEpoll,
             mailbox_hand_off},
    Scenario{"lua_echo_64B_1", "message of 64 bytes through examples/echo.lua, 1 connection", 400,
             kEpoll, lua_echo_64B_1},
    Scenario{"lua_echo_64B_1_uring", "the same over io_uring", 400, kUring, lua_echo_64B_1},
    Scenario{"lua_echo_64B_100", "the same, 100 connections in step", 1'000, kEpoll,
             lua_echo_64B_100},
    Scenario{"lua_echo_16KiB", "message of 16 KiB through examples/echo.lua", 200, kEpoll,
             lua_echo_16KiB},
    Scenario{"lua_accept_fin", "connection of examples/echo.lua, closed after FIN", 200, kEpoll,
             lua_accept_fin},
    Scenario{"lua_udp_echo_64B", "datagram of 64 bytes through a callback in Lua", 400, kEpoll,
             lua_udp_echo},
    Scenario{"lua_gate_frame_64B", "frame of 64 bytes to a gate and back", 400, kEpoll,
             lua_gate_frame},
    Scenario{"lua_seri_round_trip", "five values packed and unpacked", 1'000, kEpoll,
             lua_seri_round_trip},
};

}  // namespace

std::span<const Scenario> scenarios() { return kScenarios; }

const Scenario* find_scenario(std::string_view name) {
  const auto* found = std::ranges::find(kScenarios, name, &Scenario::name);
  return found == kScenarios.end() ? nullptr : found;
}

}  // namespace skysock::bench::counts
