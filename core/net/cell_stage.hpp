#pragma once

// One cell of the rule table on the simulated kernel: a way into each state, and the world in which
// an input is then caused.

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/net/connection_rules.hpp"
#include "core/net/rule_cells.hpp"
#include "core/net/step_observer.hpp"
#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {

/// Given back in every hand-over.
inline constexpr std::string_view kKept = "kept";

class CellStage {
 public:
  /// A step that the reactor made, and how many events there had been before it.
  struct Seen {
    Rule rule;
    SocketId id;
    ServiceHandle owner;
    std::size_t events_before;
  };

  static constexpr std::size_t kOutputBytes = 100'000;  ///< More than both buffers take.
  static constexpr int kRefusedDatagrams = 100;         ///< More than the polls of a recipe.
  static constexpr std::int64_t kIdleMs = 30'000;       ///< Less than every other limit but one.
  static constexpr std::uint16_t kPort = 80;
  static constexpr SocketId kFirstId = 16;  ///< Of a fresh table with 16 slots.

  explicit CellStage(RuleCell of)
      : cell(of), world(tuning_of(of), [this] {
          if (inside_) std::exchange(inside_, nullptr)();
        }) {
    sys().options().buffers = {.send_bytes = 4'096, .window_bytes = 4'096};
    sys().set_remote(first_remote(), RemoteAnswer::ignore);
    sys().set_host("host", {first_remote(), second_remote()});
    base_fds = sys().open_fds();
    world.server->observe({.context = this, .on_step = [](void* stage, const Step& step) {
                             static_cast<CellStage*>(stage)->note(step);
                           }});
  }
  CellStage(const CellStage&) = delete;
  CellStage& operator=(const CellStage&) = delete;

  SimKernel& sys() { return world.sys; }
  SocketServer<SimKernel>& server() { return *world.server; }
  [[nodiscard]] bool is(detail::StateSet states) const { return states.contains(cell.state); }
  [[nodiscard]] static Endpoint first_remote() {
    return *Endpoint::from_numeric("127.0.0.1", kPort);
  }
  [[nodiscard]] static Endpoint second_remote() {
    return *Endpoint::from_numeric("127.0.0.2", kPort);
  }

  /// Takes a fresh socket into `state`. Requires: not reserved, nor reserved_draining.
  void bring(State state);
  /// The state before `state` on that way.
  static State before(State state);

  /// Reserves an id with the create command that `cell.input` is about, and calls `then` inside the
  /// poll() that has not taken this command yet; `first` before the id is reserved, so that what it
  /// puts into the control channel is in front.
  void reserve(const std::function<void()>& first, std::function<void()> then);

  /// The step of the cell, once it was made after `mark`.
  [[nodiscard]] const Seen* found() const {
    for (std::size_t at = mark; at < steps.size(); ++at) {
      const Rule& rule = steps[at].rule;
      if (steps[at].id == id && rule.from == cell.state && rule.input == cell.input) {
        return &steps[at];
      }
    }
    return nullptr;
  }

  /// From now on `steps` stays as it is, whatever is asked of the world.
  void stop_watching() { server().observe({}); }

  /// Puts a packet into the control channel past every check of the server's calls.
  void inject(const ControlPacket& packet) {
    EXPECT_TRUE(server().inject(encode(packet).bytes()).has_value());
  }
  /// The next write fails for good.
  void fail_write() { sys().fail_next(lent_fd >= 0 ? Call::write_parts : Call::send, EPIPE); }
  /// More output than the kernel takes.
  void fill() {
    if (is_udp(server().protocol(id))) {
      for (int turn = 0; turn < kRefusedDatagrams; ++turn) sys().fail_next(Call::send_to, EAGAIN);
      EXPECT_TRUE(world.send(id, "datagram"));
    } else {
      EXPECT_TRUE(world.send(id, std::string(kOutputBytes, 'o')));
    }
  }
  /// Output that is accepted although there is no socket yet.
  void send_early() {
    const bool stream = !is_udp(server().protocol(id));
    const auto to = UdpAddress::from_endpoint(*Endpoint::from_numeric("127.0.0.1", 6'666));
    EXPECT_TRUE(stream ? world.send(id, "early")
                       : server().send_to(id, to, Block::copy_of("early")).has_value());
  }
  void dial() {
    auto dialled = sys().dial(*Endpoint::from_numeric("127.0.0.1", world.port));
    ASSERT_TRUE(dialled.has_value());
    peer = std::move(*dialled);
  }
  /// A connection comes, and the kernel has no memory for it.
  void starve() {
    sys().fail_next(Call::accept, ENOMEM);
    dial();
  }
  void start(ServiceHandle by = kOwner) { EXPECT_TRUE(server().start(by, id).has_value()); }
  void hold() { EXPECT_TRUE(server().hold(kOwner, id).has_value()); }

  /// Closes everything; nothing may be left of the world but what is the test's own.
  void end() {
    for (const SocketInfo& info : world.netstat()) world.close(info.id, CloseMode::abortive);
    world.pass_ms(Tuning().linger_ms + 1);
    EXPECT_EQ(server().counts().slots_used, 0U);
    EXPECT_EQ(server().counts().payloads_parked, 0U);
    peer.reset();
    world.server.reset();
    if (lent_fd >= 0) sys().close(lent_fd);
    EXPECT_EQ(sys().open_fds(), 0U);
    EXPECT_EQ(sys().bad_fd_calls(), 0U);
  }

 private:
  std::function<void()> inside_;  ///< Called once inside poll().

 public:
  const RuleCell cell;
  std::vector<Seen> steps;
  World<SimKernel> world;
  SocketId id = 0;
  SocketId listener = 0;
  std::optional<SimPeer> peer;
  std::optional<SimUdpPeer> udp_peer;
  int lent_fd = -1;
  std::size_t base_fds = 0;  ///< Of a server without sockets.
  std::size_t mark = 0;      ///< Steps made before the input was caused.

 private:
  static Tuning tuning_of(const RuleCell& cell) {
    Tuning tuning{.slots = 16};
    const bool final = cell.input == Input::close_final || cell.input == Input::drained_final;
    if (final && cell.state != State::lingering) tuning.linger_ms = 0;
    if (cell.input == Input::read_failed && detail::kHandover.contains(cell.state)) {
      tuning.idle_timeout_ms = kIdleMs;
    }
    return tuning;
  }

  void note(const Step& step) {
    steps.push_back({.rule = step.rule,
                     .id = step.id,
                     .owner = step.owner,
                     .events_before = world.events.size()});
  }
  SocketId made_for_input();
};

// ---- Ways

/// How to get from one state to another; from `free` means: from nothing.
struct CellWay {
  State to;
  State from;
  void (*go)(CellStage& stage);
};

namespace detail {

inline void lend_connection(CellStage& stage) {
  auto [fd, peer] = stage.sys().lend_connection();
  stage.lent_fd = fd;
  stage.peer = std::move(peer);
  stage.id = stage.server().bind(kOwner, fd).value();
}

/// Only a borrowed connection hangs up without an error: its other users may shut it down.
inline void connect(CellStage& stage) {
  if (stage.cell.input == Input::hung_up) return lend_connection(stage);
  stage.bring(paccept);
  stage.start();
}

inline void accept(CellStage& stage) {
  stage.listener = stage.world.listener();
  stage.dial();
  const Event* accepted = stage.world.wait_for(EventKind::accept, stage.listener);
  ASSERT_NE(accepted, nullptr);
  stage.id = static_cast<SocketId>(accepted->ud);
}

inline void make_udp(CellStage& stage) {
  stage.udp_peer = stage.sys().udp_peer(*Endpoint::from_numeric("127.0.0.1", 6'666));
  stage.id = stage.server().udp(kOwner, "127.0.0.1", 5'555).value();
  EXPECT_TRUE(stage.server().udp_connect(stage.id, "127.0.0.1", 6'666).has_value());
  if (stage.cell.input != Input::read_failed) return;
  const auto option = ConnectionOption::idle_timeout_ms;
  EXPECT_TRUE(stage.server().set_option(stage.id, option, CellStage::kIdleMs).has_value());
}

inline void send_and_close(CellStage& stage) {
  stage.fill();
  stage.world.close(stage.id);
}

inline constexpr CellWay kWays[] = {
    {free, free,
     [](CellStage& stage) {
       stage.id = stage.world.listener();
       stage.world.close(stage.id);
     }},
    {resolving, free,
     [](CellStage& stage) {
       stage.sys().hold_answers(true);
       stage.id = stage.server().open(kOwner, "host", CellStage::kPort).value();
     }},
    {resolving_held, resolving, [](CellStage& stage) { stage.hold(); }},
    {resolving_draining, resolving, send_and_close},
    {connecting, free,
     [](CellStage& stage) {
       stage.id = stage.server().open(kOwner, "host", CellStage::kPort).value();
     }},
    {connecting_held, connecting, [](CellStage& stage) { stage.hold(); }},
    {connecting_draining, connecting, send_and_close},
    {plisten, free, [](CellStage& stage) { stage.id = stage.world.listener(false); }},
    {listening, plisten, [](CellStage& stage) { stage.start(); }},
    {listening_held, listening, [](CellStage& stage) { stage.hold(); }},
    {accept_paused, listening, [](CellStage& stage) { stage.starve(); }},
    {paccept, free, accept},
    {connected, free, connect},
    {connected_held, connected, [](CellStage& stage) { stage.hold(); }},
    {halfclose_read, connected, [](CellStage& stage) { stage.peer->shutdown_write(); }},
    {halfclose_write, connected,
     [](CellStage& stage) {
       stage.fail_write();
       EXPECT_TRUE(stage.world.send(stage.id, "lost"));
     }},
    {halfclose_write_held, halfclose_write, [](CellStage& stage) { stage.hold(); }},
    {handing_over, connected,
     [](CellStage& stage) {
       for (int time = 0; time < 2; ++time) stage.peer->send(kKept);
       EXPECT_NE(stage.world.wait_for(EventKind::data, stage.id), nullptr);
       EXPECT_TRUE(stage.server().hand_over(kOwner, stage.id).has_value());
       EXPECT_TRUE(stage.server().give_back(kOwner, stage.id, Block::copy_of(kKept)).has_value());
     }},
    {handing_over_started, handing_over, [](CellStage& stage) { stage.start(kOther); }},
    {handed_over, handing_over,
     [](CellStage& stage) {
       EXPECT_TRUE(stage.server().hand_over_done(kOwner, stage.id).has_value());
     }},
    {draining, connected, send_and_close},
    {draining_eof, draining, [](CellStage& stage) { stage.peer->shutdown_write(); }},
    {draining_silent, halfclose_read, send_and_close},
    {lingering, connected, [](CellStage& stage) { stage.world.close(stage.id); }},
    {udp, free, make_udp},
    {udp_held, udp, [](CellStage& stage) { stage.hold(); }},
    {udp_draining, udp, send_and_close},
};

constexpr const CellWay& way_to(State state) {
  const CellWay* way = std::ranges::find(kWays, state, &CellWay::to);
  SKYSOCK_CHECK(way != std::end(kWays));
  return *way;
}

}  // namespace detail

inline State CellStage::before(State state) { return detail::way_to(state).from; }

inline void CellStage::bring(State state) {
  const CellWay& way = detail::way_to(state);
  if (way.from != State::free) bring(way.from);
  way.go(*this);
  world.settle();
  ASSERT_EQ(to_text(server().state(id)), to_text(state)) << "the recipe is wrong";
}

// ---- The states before there is a socket

inline SocketId CellStage::made_for_input() {
  const std::string host = first_remote().host();
  switch (cell.input) {
    case Input::listen_ready:
      return server().listen(kOwner, "127.0.0.1", 0).value();
    case Input::udp_ready:
      return server().udp(kOwner, "127.0.0.1", 5'555).value();
    case Input::bound:
      detail::lend_connection(*this);
      return id;
    case Input::resolve_started:
      return server().open(kOwner, "host", kPort).value();
    case Input::connect_ok:
      sys().options().connect_at_once = true;
      sys().set_remote(first_remote(), RemoteAnswer::accept);
      return server().open(kOwner, host, kPort).value();
    case Input::create_failed:
      sys().fail_next(Call::connect, ENETUNREACH);
      return server().open(kOwner, host, kPort).value();
    default:
      return server().open(kOwner, host, kPort).value();
  }
}

inline void CellStage::reserve(const std::function<void()>& first, std::function<void()> then) {
  // The answer to this wakes the sink: its commands go past those that wait in the channel.
  EXPECT_TRUE(server().start(kOther, INT32_MAX).has_value());
  id = kFirstId;
  first();
  const SocketId made = made_for_input();
  ASSERT_EQ(made, kFirstId);
  inside_ = std::move(then);
}

}  // namespace skysock
