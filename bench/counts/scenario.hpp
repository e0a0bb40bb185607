#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "bench/load/outcome.hpp"
#include "core/net/tuning.hpp"

namespace skysock::bench::counts {

/// One path through the server, stepped: the same system calls and allocations in every run.
struct Scenario {
  std::string_view name;
  std::string_view question;  ///< What an operation is.
  std::uint64_t operations;   ///< Counted unless said otherwise.
  PollerKind poller;          ///< Where there is no kernel: epoll_lt.
  /// Does as many operations unmeasured as the path needs to be warm, then `operations` counted
  /// ones. Every answer is checked. Error: what went wrong.
  load::Outcome<void> (*run)(const Scenario& scenario, std::uint64_t operations);
};

/// All, in the order of their definition.
std::span<const Scenario> scenarios();
const Scenario* find_scenario(std::string_view name);

// One function per path; the files say how.
using Run = load::Outcome<void>(const Scenario&, std::uint64_t);
Run accept_fin, accept_rst, echo_64B_1, echo_64B_100, echo_16KiB, ingest_1KiB, send_beyond_buffer,
    control_packet, connect_out, udp_echo;
Run lua_echo_64B_1, lua_echo_64B_100, lua_echo_16KiB, lua_accept_fin, lua_udp_echo, lua_gate_frame,
    lua_seri_round_trip;
Run timer_add_take, mailbox_hand_off;

}  // namespace skysock::bench::counts
