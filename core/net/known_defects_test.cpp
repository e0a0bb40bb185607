// Does the server have a defect that skynet's has or had? Tests are named after the rows of
// core/KNOWN_DEFECTS.md: here ids, states and closing. Output and fairness are in
// known_defects_output_test.cpp, who waits in known_defects_waiting_test.cpp; the other rows are
// where their subject is tested.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <map>

#include "core/net/slot_table.hpp"
#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

template <typename Sys>
class KnownDefectsOn : public testing::Test {};
TYPED_TEST_SUITE(KnownDefectsOn, TestKernels, KernelNames);

TYPED_TEST(KnownDefectsOn, LV01_SendRightAfterUdpIsSentOnceTheSocketIsThere) {
  World<TypeParam> world;
  const SocketId receiver = world.server->udp(kOther, "127.0.0.1", 0).value();
  EXPECT_TRUE(world.until([&] { return world.server->state(receiver) == State::udp; }));
  const auto to =
      Endpoint::from_numeric("127.0.0.1", parse_host_port(world.info_of(receiver).local)->port);
  const SocketId id = world.server->udp(kOwner, "", 0).value();
  EXPECT_TRUE(
      world.server->send_to(id, UdpAddress::from_endpoint(*to), Block::copy_of("1")).has_value());
  EXPECT_TRUE(world.server->udp_connect(id, "127.0.0.1", to->port()).has_value());
  EXPECT_TRUE(world.send(id, "2"));
  EXPECT_TRUE(world.until([&] { return world.count(EventKind::udp, receiver) == 2; }));
  EXPECT_EQ(world.server->counts().dropped_sends, 0U);
}

TYPED_TEST(KnownDefectsOn, LV01_SendRightAfterBindIsWrittenInOrder) {
  World<TypeParam> world;
  const PipeEnds ends = world.sys.make_pipe().value();
  world.keep(ends.read_fd);
  world.keep(ends.write_fd);
  const SocketId id = world.server->bind(kOwner, ends.write_fd).value();
  EXPECT_TRUE(world.send(id, "first "));
  EXPECT_TRUE(world.send(id, "second"));
  EXPECT_EQ(world.peer_read(ends.read_fd, 12).text, "first second");
  EXPECT_EQ(world.story_of(id), "O");
}

/// One slot is used again and again: nothing of the socket before may show.
TYPED_TEST(KnownDefectsOn, LV01b_ASlotThatIsUsedAgainStartsAfresh) {
  World<TypeParam> world(parse_tuning("slots=2,linger_ms=0").value());
  const auto first = world.connection();
  EXPECT_TRUE(world.server->set_option(first.id, ConnectionOption::output_limit_bytes, 10));
  EXPECT_TRUE(world.server->set_option(first.id, ConnectionOption::output_limit_policy, 1));
  EXPECT_TRUE(world.server->set_option(first.id, ConnectionOption::idle_timeout_ms, 20));
  world.peer_send(first.peer, "old");
  EXPECT_TRUE(world.until([&] { return world.data_of(first.id) == "old"; }));
  EXPECT_TRUE(world.send(first.id, "8 bytes."));
  EXPECT_TRUE(world.server->hold(kOwner, first.id).has_value());
  world.close(first.id, CloseMode::abortive);
  ASSERT_NE(world.wait_for(EventKind::close, first.id), nullptr);
  world.events.clear();

  const int peer = world.client();
  const Event* accept = world.wait_for(EventKind::accept, first.listener);
  ASSERT_NE(accept, nullptr);
  const auto id = static_cast<SocketId>(accept->ud);
  EXPECT_NE(id, first.id);
  EXPECT_TRUE(world.server->start(kOther, id).has_value());
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  const SocketInfo info = world.info_of(id);
  EXPECT_EQ(info.owner, kOther);
  EXPECT_EQ(info.read_bytes + info.written_bytes + info.queued_bytes, 0U);
  EXPECT_EQ(info.read_ms_ago, -1);
  EXPECT_EQ(info.written_ms_ago, -1);
  EXPECT_TRUE(world.send(id, "longer than ten bytes")) << "the old limit still holds";
  world.peer_send(peer, "new");
  EXPECT_TRUE(world.until([&] { return world.data_of(id) == "new"; })) << "it is still held";
  world.pass_ms(30);
  EXPECT_EQ(world.server->state(id), State::connected) << "the old time-out still runs";
}

TYPED_TEST(KnownDefectsOn, LV03_ADialledSocketWritesDirectlyAndSoAgainAfterEachAddressChange) {
  World<TypeParam> world;
  const int peer = world.keep(world.sys.datagram_socket(AF_INET).value());
  ASSERT_TRUE(world.sys.bind(peer, *Endpoint::from_numeric("127.0.0.1", 0)).has_value());
  const std::uint16_t port = world.sys.local_endpoint(peer)->port();
  const SocketId id = world.server->udp_dial(kOwner, "127.0.0.1", port).value();
  EXPECT_TRUE(world.until([&] { return world.server->state(id) == State::udp; }));
  const auto send = [&] { return world.server->send(id, Block::copy_of("x")); };
  EXPECT_EQ(send().value(), SendOutcome::written) << "the count began above 0";
  EXPECT_FALSE(world.server->udp_connect(id, "::1", port).has_value());
  EXPECT_EQ(send().value(), SendOutcome::written) << "a change that failed still counts";
  EXPECT_TRUE(world.server->udp_connect(id, "127.0.0.1", port).has_value());
  EXPECT_EQ(send().value(), SendOutcome::queued) << "past a change that is on its way";
  world.settle();
  EXPECT_EQ(send().value(), SendOutcome::written) << "a change that was made still counts";
}

/// The soft close of a pipe's write end waits for the reader, and then must not close it.
TYPED_TEST(KnownDefectsOn, LV05_ABorrowedDescriptorIsNotClosedByASoftCloseWithOutputPending) {
  World<TypeParam> world;
  const PipeEnds ends = world.sys.make_pipe().value();
  world.keep(ends.read_fd);
  world.keep(ends.write_fd);
  const SocketId id = world.server->bind(kOwner, ends.write_fd).value();
  const std::string large(300'000, 'b');
  EXPECT_TRUE(world.send(id, large));
  world.close(id);
  world.settle();
  EXPECT_EQ(world.server->state(id), State::draining);
  EXPECT_EQ(world.peer_read(ends.read_fd, large.size()).text, large);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  EXPECT_EQ(world.story_of(id), "OC");
  EXPECT_EQ(world.sys.write(ends.write_fd, std::as_bytes(std::span("!", 1))).value_or(0), 1U);
  EXPECT_EQ(world.peer_read(ends.read_fd, 1).text, "!");
}

/// Everything that may be asked of an id, for ids that are not ready for it.
template <typename Sys>
const auto& every_command() {
  using Do = void (*)(SocketServer<Sys>&, SocketId);
  static const std::pair<const char*, Do> commands[] = {
      {"start", [](auto& server, SocketId id) { (void)server.start(kOther, id); }},
      {"hold", [](auto& server, SocketId id) { (void)server.hold(kOther, id); }},
      {"hand_over", [](auto& server, SocketId id) { (void)server.hand_over(kOwner, id); }},
      {"give_back",
       [](auto& server, SocketId id) { (void)server.give_back(kOwner, id, Block::copy_of("g")); }},
      {"done", [](auto& server, SocketId id) { (void)server.hand_over_done(kOwner, id); }},
      {"send", [](auto& server, SocketId id) { (void)server.send(id, Block::copy_of("s")); }},
      {"low", [](auto& server,
                 SocketId id) { (void)server.send(id, Block::copy_of("s"), Priority::low); }},
      {"send_to",
       [](auto& server, SocketId id) {
         const auto to = UdpAddress::from_endpoint(*Endpoint::from_numeric("127.0.0.1", 9));
         (void)server.send_to(id, to, Block::copy_of("d"));
       }},
      {"udp_connect",
       [](auto& server, SocketId id) { (void)server.udp_connect(id, "127.0.0.1", 9); }},
      {"option", [](auto& server,
                    SocketId id) { (void)server.set_option(id, ConnectionOption::nodelay, 1); }},
      {"arm_write",
       [](auto& server, SocketId id) {
         (void)server.inject(encode(ArmWritePacket{.id = id}).bytes());
       }},
      {"close",
       [](auto& server, SocketId id) {
         (void)server.close(kOther, id, CloseMode::soft, CloseAnswer::not_needed);
       }},
      {"shutdown",
       [](auto& server, SocketId id) {
         (void)server.close(kOther, id, CloseMode::abortive, CloseAnswer::not_needed);
       }},
  };
  return commands;
}

TYPED_TEST(KnownDefectsOn, LV06_NoCommandOnAStaleIdDoesAnythingButAnswer) {
  World<TypeParam> world;
  const SocketId other = world.listener();
  for (const SocketId id : {SocketId{99'999}, SocketId{0x7FFF'FFFF}}) {
    for (const auto& [name, command] : every_command<TypeParam>()) {
      SCOPED_TRACE(name);
      world.events.clear();
      command(*world.server, id);
      world.settle();
      EXPECT_EQ(world.story_of(id), std::string_view(name) == "start" ? "E" : "");
      EXPECT_EQ(world.events.size(), world.story_of(id).size());
    }
  }
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
  EXPECT_EQ(world.server->state(other), State::listening);
}

/// The command runs while the create command is still in the channel behind it: it is given from
/// the callback of a packet before that.
TYPED_TEST(KnownDefectsOn, LV06_NoCommandOnAReservedIdAbortsOrLosesTheSocket) {
  for (const auto& [name, command] : every_command<TypeParam>()) {
    SCOPED_TRACE(name);
    SocketId id = 0;
    State seen = State::free;
    World<TypeParam>* here = nullptr;
    World<TypeParam> world({}, [&, &give = command] {
      if (id == 0 || here->server->state(id) != State::reserved || seen != State::free) return;
      seen = State::reserved;
      give(*here->server, id);
    });
    here = &world;
    const SocketId listener = world.listener();
    EXPECT_TRUE(world.server->start(kOther, 99'999).has_value());  // Its answer runs the command.
    id = world.server->open(kOwner, "127.0.0.1", world.port).value();
    EXPECT_TRUE(world.until([&] { return world.count(EventKind::error, 99'999) == 1; }));
    EXPECT_EQ(seen, State::reserved) << "the command came too late to prove anything";
    const bool closed = std::string_view(name) == "close" || std::string_view(name) == "shutdown";
    ASSERT_NE(world.wait_for(closed ? EventKind::close : EventKind::open, id), nullptr);
    world.settle();
    EXPECT_EQ(world.story_of(id), closed ? "C" : std::string_view(name) == "start" ? "EO" : "O");
    if (!closed) world.close(id, CloseMode::abortive);
    EXPECT_TRUE(world.until([&] { return world.server->state(id) == State::free; }));
    if (std::string_view(name) != "send" && std::string_view(name) != "low") continue;
    const Event* accept = world.wait_for(EventKind::accept, listener);
    ASSERT_NE(accept, nullptr);
    const auto accepted = static_cast<SocketId>(accept->ud);
    EXPECT_TRUE(world.server->start(kOwner, accepted).has_value());
    EXPECT_TRUE(world.until([&] { return world.data_of(accepted) == "s"; })) << "LV01";
  }
}

/// Two sockets have something to tell in one batch. What the owner does when it hears of the first
/// makes the second one's event stale, and gives its slot to a connect that nobody answers: taken
/// for that one's, the event would say that it is connected.
class StaleEvents : public testing::Test {
 protected:
  void expect_no_open(bool silent) {
    world.sys.set_remote(*Endpoint::from_numeric("192.0.2.9", 9), RemoteAnswer::ignore);
    const auto first = world.connection();
    second = accept_another(first.listener);
    const int peer = peer_;
    const SocketId third = accept_another(first.listener);
    ASSERT_GT(third, 0);
    ASSERT_TRUE(world.send(second, std::string(300'000, 'w')));
    world.settle();
    if (silent) {
      ASSERT_TRUE(world.sys.shutdown_write(peer).has_value());
      ASSERT_NE(world.wait_for(EventKind::close, second), nullptr);
    }
    // All this before the server looks: both have something to tell, the second one room, too.
    world.peer_send(first.peer, "go");
    if (silent) {
      world.peer_reset(peer);
    } else {
      world.peer_send(peer, "stale");
      std::array<std::byte, 65'536> read;
      for (int turn = 0; turn < 2; ++turn) ASSERT_TRUE(world.sys.read(peer, read).has_value());
    }
    armed = first.id;
    world.settle();
    ASSERT_GT(reused, 0);
    EXPECT_EQ(static_cast<std::uint32_t>(reused) & 7U, static_cast<std::uint32_t>(second) & 7U)
        << "another slot was used: the test proves nothing";
    EXPECT_EQ(world.story_of(reused), "");
    EXPECT_EQ(world.server->state(reused), State::connecting);
    EXPECT_EQ(world.server->counts().stale_events, 1U);
    EXPECT_EQ(world.count(EventKind::close, second), 1U);
  }

  SocketId accept_another(SocketId listener) {
    const std::size_t before = world.count(EventKind::accept, listener);
    peer_ = world.client();
    EXPECT_TRUE(world.until([&] { return world.count(EventKind::accept, listener) > before; }));
    const auto id = static_cast<SocketId>(world.events.back().ud);
    EXPECT_TRUE(world.server->start(kOwner, id).has_value());
    EXPECT_NE(world.wait_for(EventKind::open, id), nullptr);
    return id;
  }

  void on_run() {
    if (armed != 0 && !world.data_of(armed).empty()) {
      armed = 0;
      closing = true;
      // Free slots are taken first-in first-out: the last fresh one, then the freed one.
      (void)world.server->open(kOwner, "192.0.2.9", 9);
      (void)world.server->close(kOwner, second, CloseMode::abortive, CloseAnswer::not_needed);
      (void)world.server->start(kOther, 99'999);  // Its answer brings us here again.
    } else if (closing && reused == 0 && world.server->state(second) == State::free) {
      reused = world.server->open(kOwner, "192.0.2.9", 9).value_or(-1);
    }
  }

  SocketId armed = 0;
  SocketId second = 0;
  SocketId reused = 0;
  bool closing = false;
  int peer_ = -1;
  World<SimKernel> world{parse_tuning("slots=5,linger_ms=0").value(), [this] { on_run(); }};
};

TEST_F(StaleEvents, LV07_AnEventOfAClosedSocketNeverReachesTheNextOneInItsSlot) {
  expect_no_open(false);
}

TEST_F(StaleEvents, LV07b_NorAfterAnAbortiveCloseThatWasSilent) { expect_no_open(true); }

TEST(KnownDefects, LV18_IdsNearTheWrapAreLegalAndOldOnesStayStale) {
  SlotTable table(SlotTable::kSlotsMax);
  // All slots but the one with index 0 are taken, so that it goes through all its generations.
  SocketId before = table.reserve(1).value();
  for (std::size_t slot = 1; slot < SlotTable::kSlotsMax; ++slot) ASSERT_TRUE(table.reserve(1));
  table.release(before);
  bool wrapped = false;
  for (int turn = 0; turn < 5'000; ++turn) {
    const SocketId id = table.reserve(1).value();
    ASSERT_GT(id, 0);
    ASSERT_EQ(table.find(before), nullptr);
    wrapped = wrapped || id < before;
    before = id;
    table.release(id);
  }
  EXPECT_TRUE(wrapped);
}

/// What the process has open: descriptor and its flags.
std::map<int, std::pair<int, int>> open_descriptors() {
  std::map<int, std::pair<int, int>> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    all[fd] = {fcntl(fd, F_GETFD), fcntl(fd, F_GETFL)};
  }
  return all;
}

TEST(KnownDefects, LV22_EveryDescriptorIsCloseOnExecAndEverySocketNonBlocking) {
  const auto before = open_descriptors();
  World<LinuxSys> world(parse_tuning("control=pipe").value());
  world.connection();
  const SocketId out = world.server->open(kOwner, "127.0.0.1", world.port).value();
  ASSERT_NE(world.wait_for(EventKind::open, out), nullptr);
  const SocketId udp = world.server->udp_dial(kOwner, "127.0.0.1", 9).value();
  EXPECT_TRUE(world.until([&] { return world.server->state(udp) == State::udp; }));
  int sockets = 0;
  for (const auto& [fd, flags] : open_descriptors()) {
    if (before.contains(fd) || flags.first < 0) continue;
    EXPECT_NE(flags.first & FD_CLOEXEC, 0) << "descriptor " << fd;
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) continue;
    ++sockets;
    EXPECT_NE(flags.second & O_NONBLOCK, 0) << "socket " << fd;
  }
  EXPECT_EQ(sockets, 6) << "listener, accepted one and its peer, the two of the open, datagrams";
}

TYPED_TEST(KnownDefectsOn, LV23_AnErrorThatCannotBeClearedIsReportedOnceThenClosed) {
  World<TypeParam> world;
  const PipeEnds ends = world.sys.make_pipe().value();
  world.keep(ends.write_fd);
  const SocketId id = world.server->bind(kOwner, ends.write_fd).value();
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  world.settle();
  world.sys.close(ends.read_fd);  // The write end has EPOLLERR from now on.
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  world.settle();
  EXPECT_EQ(world.story_of(id), "OEC");
  const std::uint64_t wakeups = world.server->counts().wakeups;
  world.settle();
  EXPECT_EQ(world.server->counts().wakeups, wakeups) << "it spins";
}

TYPED_TEST(KnownDefectsOn, LV24_StartAnswersInEveryStateWhereTheIdIsUsable) {
  World<TypeParam> world;
  const auto pair = world.connection(false);
  const PipeEnds ends = world.sys.make_pipe().value();
  world.keep(ends.read_fd);
  world.keep(ends.write_fd);
  const SocketId pipe = world.server->bind(kOwner, ends.read_fd).value();
  const SocketId udp = world.server->udp(kOwner, "", 0).value();
  EXPECT_TRUE(world.until([&] { return world.server->state(udp) == State::udp; }));
  ServiceHandle requester = kOther;
  const auto expect_answer = [&](SocketId id, const char* text) {
    SCOPED_TRACE(to_text(world.server->state(id)));
    world.events.clear();
    EXPECT_TRUE(world.server->start(++requester, id).has_value());
    const Event* open = world.wait_for(EventKind::open, id);
    ASSERT_NE(open, nullptr);
    EXPECT_EQ(open->to, requester);
    EXPECT_EQ(open->data.text(), text);
    EXPECT_EQ(world.info_of(id).owner, requester);
  };
  expect_answer(pair.id, "start");
  for (const SocketId id : {pair.listener, pair.id, pipe, udp}) {
    expect_answer(id, "transfer");
    EXPECT_TRUE(world.server->hold(requester, id).has_value());
    world.settle();
    expect_answer(id, "transfer");
  }
}

TYPED_TEST(KnownDefectsOn, LV24_StartOfAConnectUnderWayIsAnsweredByItsOpen) {
  World<TypeParam> world;
  world.listener();
  const SocketId id = world.server->open(kOwner, "127.0.0.1", world.port).value();
  EXPECT_TRUE(world.server->start(kOther, id).has_value());
  const Event* open = world.wait_for(EventKind::open, id);
  ASSERT_NE(open, nullptr);
  EXPECT_EQ(open->to, kOther);
  world.settle();
  EXPECT_EQ(world.story_of(id), "O");
}

/// While it lives, the process (or the simulated kernel) gets no descriptor that is not 0, 1 or 2.
template <typename Sys>
class NoDescriptors;

template <>
class NoDescriptors<LinuxSys> {
 public:
  explicit NoDescriptors(LinuxSys&) {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit none{.rlim_cur = 3, .rlim_max = before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

template <>
class NoDescriptors<SimKernel> {
 public:
  explicit NoDescriptors(SimKernel& sys)
      : sys_(sys), before_(std::exchange(sys.options().fd_limit, 3)) {}
  ~NoDescriptors() { sys_.options().fd_limit = before_; }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  SimKernel& sys_;
  int before_;
};

TYPED_TEST(KnownDefectsOn, LV24_StartOfAListenerThatRestsIsAnswered) {
  World<TypeParam> world;
  const SocketId listener = world.listener();
  const int client = world.client();
  {
    const NoDescriptors<TypeParam> none(world.sys);
    ASSERT_TRUE(world.until([&] { return world.server->state(listener) == State::accept_paused; }));
    world.events.clear();
    EXPECT_TRUE(world.server->start(kOther, listener).has_value());
    const Event* open = world.wait_for(EventKind::open, listener);
    ASSERT_NE(open, nullptr);
    EXPECT_EQ(open->to, kOther);
    EXPECT_EQ(open->data.text(), "transfer");
    EXPECT_EQ(world.info_of(listener).owner, kOther);
    EXPECT_EQ(world.count(EventKind::accept, listener), 0U);
  }
  world.pass_ms(101);
  const Event* accept = world.wait_for(EventKind::accept, listener);
  ASSERT_NE(accept, nullptr) << "it does not accept after its rest";
  EXPECT_EQ(accept->to, kOther);
  EXPECT_TRUE(world.server->start(kOther, static_cast<SocketId>(accept->ud)).has_value());
  world.peer_send(client, "x");
  EXPECT_NE(world.wait_for(EventKind::data, static_cast<SocketId>(accept->ud)), nullptr);
}

}  // namespace
}  // namespace skysock
