// Does every (state, input) cell of the rule table happen, and does the reactor then do what the
// specification says (spec_table.hpp) and tell whom it should? One test per cell that has a rule,
// on the simulated kernel. `net_test --print-cells` runs them and shows what was reached. What a
// rule leads to later is the business of the other tests.

#include "core/net/rule_cells.hpp"

#include <gtest/gtest.h>
#include <netdb.h>

#include "core/net/cell_stage.hpp"
#include "core/net/spec_table.hpp"

namespace skysock {
namespace {

using detail::in;
using enum State;

// Of the reactor, whose definitions only its kernels include.
constexpr std::int64_t kHalfcloseWriteMs = 1'000;
constexpr std::int64_t kAcceptRetryMs = 100;
constexpr std::size_t kPacketsPerPoll = 4'096;

constexpr std::string_view kPayload = "payload";
constexpr ServiceHandle kRequester = 9;  ///< Of starts: neither the first owner nor the next.

// ---- How each input is caused in the state where the stage is

UdpAddress some_address() {
  return UdpAddress::from_endpoint(*Endpoint::from_numeric("127.0.0.1", 7'777));
}

void send(CellStage& stage) {
  const bool accepted = traits(stage.server().state(stage.id)).send != SendMode::refused;
  const Block payload = Block::copy_of(kPayload);
  const auto sent =
      accepted ? stage.server().send(stage.id, payload.bytes(), Priority::low)
               : stage.server().post_send(stage.id, Block::copy_of(kPayload), Priority::low);
  EXPECT_EQ(sent.value(), SendOutcome::queued);
}

void arm_write(CellStage& stage) {
  // Something to write, and a second one to see whether the first has written it.
  const bool flushes = traits(stage.cell.state).flushes && !stage.is(detail::kDraining);
  if (flushes) send(stage);
  stage.inject(ArmWritePacket{.id = stage.id});
  if (flushes) stage.inject(ArmWritePacket{.id = stage.id});
}

void hand_over(CellStage& stage) {
  // Only the owner's word counts.
  ServiceHandle owner = stage.is(in(free)) ? 0 : kOwner;
  if (stage.is(in(handing_over_started))) owner = kOther;
  EXPECT_TRUE(stage.server().hand_over(owner, stage.id).has_value());
}

void close_pending(CellStage& stage) {
  if (!stage.is(detail::kDraining)) stage.fill();
  stage.world.close(stage.id);
}

void connect_started(CellStage& stage) {
  if (stage.is(detail::kConnecting | in(connecting_draining))) {
    stage.sys().set_remote(CellStage::second_remote(), RemoteAnswer::ignore);
    stage.sys().set_remote(CellStage::first_remote(), RemoteAnswer::refuse);
  }
  stage.sys().hold_answers(false);
}

void connect_ok(CellStage& stage) {
  stage.sys().options().connect_at_once = true;
  stage.sys().set_remote(CellStage::first_remote(), RemoteAnswer::accept);
  stage.sys().hold_answers(false);
}

void create_failed(CellStage& stage) {
  stage.sys().set_host_error("host", EAI_NONAME);
  stage.sys().set_remote(CellStage::first_remote(), RemoteAnswer::refuse);
  stage.sys().hold_answers(false);
}

void accept_failed(CellStage& stage) {
  stage.sys().fail_next(Call::accept, EMFILE);
  stage.dial();
}

void received(CellStage& stage) {
  EXPECT_EQ(stage.peer->send("bytes"), 5U);
  // A held socket is read when its end is certain.
  if (stage.is(in(connected_held, halfclose_write_held))) stage.peer->reset();
}

void datagram(CellStage& stage) {
  stage.udp_peer->send_to(*Endpoint::from_numeric("127.0.0.1", 5'555), "datagram");
}

/// A listener is never read: only a change of its registration can fail.
void fail_registration(CellStage& stage) {
  if (stage.is(in(listening))) stage.hold();
  if (stage.is(in(listening_held))) stage.start();
  if (stage.is(in(accept_paused))) stage.sys().advance_ms(kAcceptRetryMs + 1);
  stage.world.settle();
  stage.sys().fail_next(Call::epoll_modify, ENOMEM);
  if (stage.is(in(listening))) stage.start();
  if (stage.is(in(listening_held))) stage.hold();
  if (stage.is(in(accept_paused))) stage.starve();
}

void read_failed(CellStage& stage) {
  if (stage.is(detail::kListening)) return fail_registration(stage);
  // Where no error is looked for, silence is what ends it.
  const bool by_silence = stage.is(detail::kHandover | detail::kUdp | in(udp_draining));
  if (by_silence) return stage.sys().advance_ms(CellStage::kIdleMs + 1);
  stage.peer->reset();
}

void udp_failed(CellStage& stage) {
  stage.sys().fail_next(Call::send_to, EPERM);
  if (!stage.is(in(udp_draining))) {
    EXPECT_TRUE(stage.world.send(stage.id, "refused", Priority::low));
  }
}

void write_failed(CellStage& stage) {
  stage.fail_write();
  if (!stage.is(detail::kDraining)) {
    EXPECT_TRUE(stage.world.send(stage.id, "lost"));
  } else {
    stage.peer->read();
  }
}

void drained(CellStage& stage) {
  if (!stage.is(detail::kDraining)) send(stage);
}

void drained_final(CellStage& stage) {
  if (!stage.is(detail::kCreatingDraining)) return;
  // The close sees output that comes behind it, and is then too late to be kept.
  stage.world.close(stage.id);
  EXPECT_TRUE(stage.world.send(stage.id, "late"));
}

void hung_up(CellStage& stage) {
  if (stage.is(detail::kListening)) {
    return stage.sys().shut_listener(*Endpoint::from_numeric("127.0.0.1", stage.world.port));
  }
  EXPECT_TRUE(stage.sys().shutdown_write(stage.lent_fd).has_value());
  stage.peer->shutdown_write();
}

void deadline(CellStage& stage) {
  const Tuning tuning;
  const std::int64_t limits_ms[] = {0,
                                    tuning.accept_timeout_ms,
                                    tuning.drain_timeout_ms,
                                    tuning.linger_ms,
                                    kHalfcloseWriteMs,
                                    kAcceptRetryMs};
  const Deadline kind = traits(stage.cell.state).deadline;
  stage.sys().advance_ms(limits_ms[static_cast<std::size_t>(kind)] + 1);
}

void close_softly(CellStage& stage) { stage.world.close(stage.id); }
/// Bringing the socket there was enough.
void nothing(CellStage&) {}

struct Cause {
  Input input;
  void (*act)(CellStage& stage);
};

constexpr Cause kCauses[] = {
    {Input::start, [](CellStage& stage) { stage.start(kRequester); }},
    {Input::hold, [](CellStage& stage) { stage.hold(); }},
    {Input::hand_over, hand_over},
    {Input::give_back,
     [](CellStage& stage) {
       EXPECT_TRUE(stage.server().give_back(kOwner, stage.id, Block::copy_of(kKept)).has_value());
     }},
    {Input::hand_over_done,
     [](CellStage& stage) {
       EXPECT_TRUE(stage.server().hand_over_done(kOwner, stage.id).has_value());
     }},
    {Input::send, send},
    {Input::arm_write, arm_write},
    {Input::set_option,
     [](CellStage& stage) {
       const auto option = ConnectionOption::keepalive_idle_s;
       EXPECT_TRUE(stage.server().set_option(stage.id, option, 60).has_value());
     }},
    {Input::set_address,
     [](CellStage& stage) {
       stage.inject(SetAddressPacket{.id = stage.id, .address = some_address()});
     }},
    {Input::close_flushed, close_softly},
    {Input::close_final, close_softly},
    {Input::close_pending, close_pending},
    {Input::close_abortive,
     [](CellStage& stage) { stage.world.close(stage.id, CloseMode::abortive); }},
    {Input::listen_ready, nothing},
    {Input::udp_ready, nothing},
    {Input::bound, nothing},
    {Input::resolve_started, nothing},
    {Input::connect_started, connect_started},
    {Input::connect_ok, connect_ok},
    {Input::create_failed, create_failed},
    {Input::accepted, [](CellStage& stage) { stage.dial(); }},
    {Input::accept_failed, accept_failed},
    {Input::accept_starved, [](CellStage& stage) { stage.starve(); }},
    {Input::received, received},
    {Input::datagram, datagram},
    {Input::eof, [](CellStage& stage) { stage.peer->shutdown_write(); }},
    {Input::read_failed, read_failed},
    {Input::udp_failed, udp_failed},
    {Input::drained, drained},
    {Input::drained_final, drained_final},
    {Input::write_failed, write_failed},
    {Input::hung_up, hung_up},
    {Input::deadline, deadline},
};

constexpr bool every_input_has_a_cause() {
  for (std::size_t at = 0; at < kInputCount; ++at) {
    if (at >= std::size(kCauses) || detail::index(kCauses[at].input) != at) return false;
  }
  return std::size(kCauses) == kInputCount;
}
static_assert(every_input_has_a_cause());

// ---- What the cell's emit means

struct Told {
  std::vector<EventKind> kinds;
  bool requester = false;  ///< Instead of the owner.
  std::string_view text;   ///< Of the first; empty: any.
};

Told told_by(Emit emit) {
  switch (emit) {
    case Emit::nothing:
      return {};
    case Emit::open:
      return {.kinds = {EventKind::open}};
    case Emit::open_start:
      return {.kinds = {EventKind::open}, .text = "start"};
    case Emit::open_transfer:
      return {.kinds = {EventKind::open}, .text = "transfer"};
    case Emit::accept:
      return {.kinds = {EventKind::accept}};
    case Emit::data:
      return {.kinds = {EventKind::data}};
    case Emit::udp:
      return {.kinds = {EventKind::udp}};
    case Emit::handover:
      return {.kinds = {EventKind::handover}};
    case Emit::close:
      return {.kinds = {EventKind::close}};
    case Emit::error:
      return {.kinds = {EventKind::error}};
    case Emit::error_then_close:
      return {.kinds = {EventKind::error, EventKind::close}};
    case Emit::error_invalid:
      return {.kinds = {EventKind::error}, .requester = true, .text = "invalid socket"};
    case Emit::error_closed:
      return {.kinds = {EventKind::error}, .requester = true, .text = "socket closed"};
    case Emit::error_busy:
      return {
          .kinds = {EventKind::error}, .requester = true, .text = "socket is being handed over"};
  }
  return {};
}

class RuleCells : public testing::TestWithParam<RuleCell> {
 protected:
  RuleCells() : stage(GetParam()) {}

  /// Takes the socket to the cell's state and causes the input there.
  void reach() {
    const RuleCell cell = GetParam();
    if (stage.is(in(reserved, reserved_draining))) return reach_before_creation();
    // These are over within one batch: the cause begins a state earlier.
    const bool earlier = cell.input == Input::drained_final && stage.is(detail::kCreatingDraining);
    stage.bring(earlier ? CellStage::before(cell.state) : cell.state);
    stage.mark = stage.steps.size();
    cause();
    if (HasFailure()) return;
    const bool reads = stage.peer && detail::kDraining.contains(cell.state) &&
                       (cell.input == Input::drained || cell.input == Input::drained_final);
    const bool reached = stage.world.until([&] {
      if (reads) stage.peer->read();
      return stage.found() != nullptr;
    });
    EXPECT_TRUE(reached) << cell.name() << " did not happen";
    stage.world.settle();
  }

  /// The socket has only an id while its create command waits behind ours.
  void reach_before_creation() {
    const RuleCell cell = GetParam();
    const bool injected = cell.input == Input::arm_write || cell.input == Input::set_address;
    const auto first = [&] {
      if (injected) cause();
      if (cell.input == Input::deadline) keep_reactor_busy();
    };
    stage.reserve(first, [this, injected] {
      const bool draining = stage.is(in(reserved_draining));
      if (GetParam().input == Input::listen_ready && !draining) stage.send_early();
      if (draining && GetParam().input != Input::drained_final) {
        stage.send_early();
        stage.world.close(stage.id);
      }
      const bool creation =
          GetParam().input >= Input::listen_ready && GetParam().input <= Input::create_failed;
      if (!injected && !creation) cause();
    });
    EXPECT_TRUE(stage.world.until([&] { return stage.found() != nullptr; })) << "not reached";
    stage.world.settle();
  }

  void cause() {
    options_set_before = stage.sys().calls(Call::set_option);
    kCauses[detail::index(GetParam().input)].act(stage);
  }

  /// Packets for two polls, which name nobody. As many as fit into a pipe.
  void keep_reactor_busy() {
    for (std::size_t sent = 0; sent < 2 * kPacketsPerPoll; ++sent) {
      stage.inject(ArmWritePacket{.id = INT32_MAX});
    }
  }

  /// What the world shows of the cell's act, unless the events have shown it.
  void expect_act(const CellStage::Seen& seen) {
    const bool alive = stage.server().state(stage.id) != free;
    const SocketInfo info = stage.world.info_of(stage.id);
    switch (expected.act) {
      case Act::nothing:
      case Act::deliver_unread:
        return;
      case Act::own:
        EXPECT_EQ(info.owner, alive ? kRequester : 0);
        return;
      case Act::keep:
        return expect_kept();
      case Act::queue:
        EXPECT_EQ(stage.server().counts().dropped_sends, 0U);
        EXPECT_EQ(info.queued_bytes + sent_bytes(), kPayload.size());
        return;
      case Act::drop:
        EXPECT_EQ(stage.server().counts().dropped_sends, GetParam().input == Input::send ? 1U : 0U);
        return;
      case Act::drop_queue:
        EXPECT_EQ(info.queued_bytes, 0U);
        return;
      case Act::flush:
        return expect_flushed(seen);
      case Act::set_option:
        if (stage.is(detail::kResolving)) return;  // There is no descriptor yet.
        EXPECT_EQ(stage.sys().calls(Call::set_option), options_set_before + 1);
        return;
      case Act::set_address:
        EXPECT_EQ(info.peer, some_address().endpoint().text());
        return;
      case Act::finish_write:
        stage.peer->read();
        EXPECT_TRUE(stage.peer->at_end()) << "the peer has no FIN";
        return;
    }
  }

  /// What was given back goes to the next owner.
  void expect_kept() {
    EXPECT_TRUE(stage.server().hand_over_done(kOwner, stage.id).has_value());
    if (stage.is(in(handing_over))) stage.start(kOther);
    stage.world.settle();
    const std::string twice = std::string(kKept) + std::string(kKept);
    EXPECT_EQ(stage.world.data_of(stage.id), twice + twice) << "received, given back, received";
  }

  /// Without the flush, the output would leave only when the batch of commands is done.
  void expect_flushed(const CellStage::Seen& seen) {
    if (stage.is(detail::kDraining)) return;  // The peer takes nothing.
    const CellStage::Seen* next = next_step(seen);
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(to_text(next->rule.input), to_text(Input::drained));
  }

  std::size_t sent_bytes() {
    if (stage.udp_peer) {
      const auto came = stage.udp_peer->take();
      return came ? came->text.size() : 0;
    }
    return stage.peer ? stage.peer->read().size() : 0;
  }

  void expect_state_and_owner(const CellStage::Seen& seen) {
    const CellStage::Seen* next = next_step(seen);
    const State after = next != nullptr ? next->rule.from : stage.server().state(stage.id);
    EXPECT_EQ(to_text(after), to_text(expected.after(GetParam().state)));
    ServiceHandle owner = stage.is(in(handing_over_started)) ? kOther : kOwner;
    if (expected.act == Act::own) owner = kRequester;
    if (stage.is(in(free))) owner = 0;
    EXPECT_EQ(seen.owner, owner);
  }

  /// The next one of the same socket.
  [[nodiscard]] const CellStage::Seen* next_step(const CellStage::Seen& seen) const {
    const CellStage::Seen* const end = stage.steps.data() + stage.steps.size();
    for (const CellStage::Seen* next = &seen + 1; next != end; ++next) {
      if (next->id == seen.id) return next;
    }
    return nullptr;
  }

  void expect_events(const CellStage::Seen& seen) {
    Told told = told_by(expected.emit);
    // The next owner of a socket that was handed over gets what was given back behind its OPEN.
    const bool gives = expected.act == Act::deliver_unread ||
                       (expected.act == Act::own && stage.is(in(handed_over)));
    if (gives) told.kinds.push_back(EventKind::data);
    const std::size_t end =
        &seen == &stage.steps.back() ? stage.world.events.size() : (&seen + 1)->events_before;
    std::vector<const Event*> heard;
    for (std::size_t at = seen.events_before; at < end; ++at) {
      if (stage.world.events[at].id == seen.id) heard.push_back(&stage.world.events[at]);
    }
    ASSERT_EQ(heard.size(), told.kinds.size()) << stage.world.story_of(seen.id);
    for (std::size_t at = 0; at < heard.size(); ++at) {
      EXPECT_EQ(heard[at]->kind, told.kinds[at]);
      EXPECT_EQ(heard[at]->to, told.requester ? kRequester : seen.owner);
    }
    if (heard.empty()) return;
    const std::string_view text = heard.front()->data.text();
    EXPECT_TRUE(told.text.empty() || text == told.text) << text;
    EXPECT_FALSE(told.kinds.front() == EventKind::error && text.empty()) << "without words";
  }

  /// Every slot that is left has one descriptor, and this one is not among them.
  void expect_gone() {
    EXPECT_EQ(to_text(stage.server().state(stage.id)), to_text(free));
    EXPECT_EQ(stage.world.info_of(stage.id).id, 0);
    const std::size_t lent = stage.lent_fd >= 0 ? 1 : 0;
    const std::size_t others = stage.server().counts().slots_used;
    EXPECT_EQ(stage.sys().open_fds(), stage.base_fds + others + lent);
  }

  const SpecCell& expected = spec_cell(GetParam().state, GetParam().input);
  CellStage stage;
  std::uint64_t options_set_before = 0;
};

TEST_P(RuleCells, DoesWhatTheSpecificationSays) {
  ASSERT_TRUE(expected.possible());
  reach();
  stage.stop_watching();
  const CellStage::Seen* seen = stage.found();
  ASSERT_NE(seen, nullptr);
  expect_state_and_owner(*seen);
  expect_events(*seen);
  expect_act(*seen);
  if (expected.after(GetParam().state) == free) expect_gone();
  stage.end();
  if (HasFailure()) return;
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  CellMatrix::of_this_run().reached(GetParam(),
                                    std::string(test->test_suite_name()) + "." + test->name());
}

INSTANTIATE_TEST_SUITE_P(EveryCell, RuleCells, testing::ValuesIn(possible_cells()),
                         [](const auto& cell) { return cell.param.name(); });

}  // namespace
}  // namespace skysock
