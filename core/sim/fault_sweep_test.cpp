// Whatever call of the kernel fails, at whatever moment of a scenario that uses all of the server,
// does the server keep its promises? No CHECK fails, every id gets its one CLOSE or its terminal
// ERR, and no descriptor, slot or payload is left.

#include <gtest/gtest.h>

#include <map>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

/// Listen, accept, connect by name, echo, UDP, bind, hold, hand-over, close: every step goes on
/// whatever became of the one before.
class Scenario {
 public:
  explicit Scenario(std::string_view tuning) : world_(parse_tuning(tuning).value()) {
    fds_before_ = world_.sys.open_fds();
  }

  World<SimKernel>& world() { return world_; }

  void run() {
    listen_and_connect();
    echo();
    datagrams();
    borrow();
    hold_and_hand_over();
    close_all();
  }

  /// Everything is over: what must hold now.
  void expect_nothing_left() {
    world_.pass_ms(200'000);  // Longer than every time limit.
    for (int turn = 0; turn < 20; ++turn) world_.settle();
    for (const SocketId id : ids_) {
      EXPECT_EQ(world_.server->state(id), State::free) << id << " is left, " << world_.story_of(id);
      expect_one_end(id);
    }
    const SocketServerCounts counts = world_.server->counts();
    EXPECT_EQ(counts.slots_used, 0U);
    EXPECT_EQ(counts.payloads_parked, 0U);
    EXPECT_EQ(world_.sys.bad_fd_calls(), 0U);
    // The spare descriptor may be missing.
    EXPECT_GE(world_.sys.open_fds() + 1, fds_before_ + peers_);
    EXPECT_LE(world_.sys.open_fds(), fds_before_ + peers_);
  }

 private:
  std::optional<SocketId> made(Result<SocketId> id) {
    if (!id) return std::nullopt;
    ids_.push_back(*id);
    return *id;
  }

  void expect_one_end(SocketId id) {
    const std::size_t closes = world_.count(EventKind::close, id);
    // A start of an id that had failed is answered with an ERR of its own.
    const auto errors = std::ranges::count_if(world_.events, [id](const Event& event) {
      return event.kind == EventKind::error && event.id == id &&
             event.data.text() != "invalid socket" && event.data.text() != "socket closed";
    });
    EXPECT_TRUE(closes == 1 || (closes == 0 && errors == 1))
        << id << " had " << world_.story_of(id);
  }

  void settle() {
    for (int turn = 0; turn < 8; ++turn) world_.server->poll(0);
    for (std::size_t at = seen_; at < world_.events.size(); ++at) {
      const Event& event = world_.events[at];
      if (event.kind != EventKind::accept) continue;
      const auto id = static_cast<SocketId>(event.ud);
      ids_.push_back(id);
      accepted_.push_back(id);
      (void)world_.server->start(kOwner, id);
    }
    seen_ = world_.events.size();
    for (int turn = 0; turn < 8; ++turn) world_.server->poll(0);
  }

  void listen_and_connect() {
    const auto listener = made(world_.server->listen(kOwner, "127.0.0.1", 4'000));
    settle();
    if (listener) (void)world_.server->start(kOwner, *listener);
    settle();
    const Endpoint refuses = *Endpoint::from_numeric("192.0.2.1", 4'000);
    world_.sys.set_host("name", {refuses, *Endpoint::from_numeric("127.0.0.1", 4'000)});
    for (const char* host : {"name", "127.0.0.1"}) {
      const auto id = made(world_.server->open(kOther, host, 4'000));
      if (!id) continue;
      opened_.push_back(*id);
      (void)world_.send(*id, "early");
      (void)world_.server->set_option(*id, ConnectionOption::keepalive_count, 3);
    }
    settle();
  }

  void echo() {
    for (const std::size_t bytes : {1U, 5'000U, 400'000U}) {
      for (const SocketId id : opened_) (void)world_.send(id, std::string(bytes, 'e'));
      settle();
      for (const SocketId id : accepted_) {
        (void)world_.send(id, std::string(bytes, 'E'), Priority::low);
      }
      settle();
    }
  }

  void datagrams() {
    const auto id = made(world_.server->udp(kOwner, "127.0.0.1", 4'000));
    const auto dialled = made(world_.server->udp_dial(kOwner, "127.0.0.1", 4'000));
    settle();
    if (dialled) (void)world_.send(*dialled, "hello");
    if (dialled) (void)world_.send(*dialled, std::string(70'000, 'l'));
    settle();
    if (id) (void)world_.server->udp_connect(*id, "127.0.0.1", 9);
    if (id) (void)world_.send(*id, "to nobody", Priority::low);
    settle();
  }

  void borrow() {
    auto [read_fd, writer] = world_.sys.lend_pipe_reader();
    auto [write_fd, reader] = world_.sys.lend_pipe_writer();
    peers_ += 2;
    world_.keep(read_fd);
    world_.keep(write_fd);
    pipes_.push_back(std::make_unique<SimPipeEnd>(std::move(writer)));
    pipes_.push_back(std::make_unique<SimPipeEnd>(std::move(reader)));
    made(world_.server->bind(kOwner, read_fd));
    const auto out = made(world_.server->bind(kOwner, write_fd));
    settle();
    pipes_[0]->write("through a pipe");
    if (out) (void)world_.send(*out, std::string(100'000, 'b'));
    settle();
    pipes_[1]->read();
    settle();
  }

  void hold_and_hand_over() {
    if (accepted_.empty()) return;
    const SocketId id = accepted_.front();
    (void)world_.server->hold(kOwner, id);
    settle();
    (void)world_.server->start(kOwner, id);
    settle();
    (void)world_.server->hand_over(kOwner, id);
    settle();
    (void)world_.server->give_back(kOwner, id, Block::copy_of("unused"));
    (void)world_.server->hand_over_done(kOwner, id);
    (void)world_.server->start(kOther, id);
    settle();
  }

  void close_all() {
    bool soft = true;
    for (const SocketId id : std::vector<SocketId>(ids_)) {
      world_.close(id, soft ? CloseMode::soft : CloseMode::abortive);
      soft = !soft;
      settle();
    }
    for (const SocketId id : std::vector<SocketId>(ids_)) world_.close(id, CloseMode::abortive);
    settle();
    // What was accepted while its listener was being closed.
    for (const SocketId id : accepted_) world_.close(id, CloseMode::abortive);
    settle();
  }

  World<SimKernel> world_;
  std::size_t fds_before_ = 0;
  std::size_t peers_ = 0;
  std::size_t seen_ = 0;
  std::vector<SocketId> ids_;
  std::vector<SocketId> opened_;
  std::vector<SocketId> accepted_;
  std::vector<std::unique_ptr<SimPipeEnd>> pipes_;
};

struct Fault {
  Call call;
  std::vector<int> errors;
};

/// What Linux may answer for want of something.
const std::vector<Fault>& faults() {
  static const std::vector<Fault> all = {
      {Call::read, {EIO}},
      {Call::receive, {ENOMEM, ENOBUFS, ETIMEDOUT}},
      {Call::write_parts, {EAGAIN, EPIPE, ENOSPC}},
      {Call::set_nonblocking, {EBADF}},
      {Call::open_spare, {EMFILE, ENFILE}},
      {Call::stream_socket, {EMFILE, ENFILE, ENOMEM, ENOBUFS}},
      {Call::bind, {EADDRINUSE, ENOMEM}},
      {Call::listen, {EADDRINUSE}},
      {Call::accept, {EMFILE, ENFILE, ENOMEM, ENOBUFS, ECONNABORTED}},
      {Call::connect, {ENETUNREACH, EADDRNOTAVAIL, ENOMEM, EAGAIN}},
      {Call::send, {ENOMEM, ENOBUFS, EPIPE, ECONNRESET, EAGAIN, EINTR}},
      {Call::shutdown_write, {ENOTCONN}},
      {Call::take_socket_error, {ENOBUFS}},
      {Call::local_endpoint, {ENOBUFS}},
      {Call::peer_endpoint, {ENOTCONN, ENOBUFS}},
      {Call::set_option, {ENOMEM, EINVAL}},
      {Call::datagram_socket, {EMFILE, ENFILE, ENOMEM, ENOBUFS}},
      {Call::send_to, {ENOBUFS, ENOMEM, ECONNREFUSED, EAGAIN}},
      {Call::receive_from, {ENOMEM, ECONNREFUSED}},
      {Call::epoll_add, {ENOSPC, ENOMEM}},
      {Call::epoll_modify, {ENOMEM}},
      {Call::epoll_remove, {ENOENT}},
      {Call::epoll_wait, {EINTR}},
  };
  return all;
}

class FaultSweep : public testing::TestWithParam<const char*> {
 protected:
  std::string tuning() { return "slots=32," + std::string(GetParam()); }
};

TEST_P(FaultSweep, WithoutAFaultTheScenarioMeetsEveryCallThatIsSwept) {
  Scenario scenario(tuning());
  std::map<Call, std::uint64_t> before;
  for (const Fault& fault : faults()) before[fault.call] = scenario.world().sys.calls(fault.call);
  scenario.run();
  scenario.expect_nothing_left();
  for (const Fault& fault : faults()) {
    // The spare descriptor is only had again after an EMFILE.
    if (fault.call == Call::open_spare) continue;
    EXPECT_GT(scenario.world().sys.calls(fault.call), before[fault.call])
        << "call " << static_cast<int>(fault.call) << " is never made: its faults prove nothing";
  }
}

TEST_P(FaultSweep, EveryFailingCallLeavesNothingBehind) {
  std::size_t runs = 0;
  for (const Fault& fault : faults()) {
    for (const int error : fault.errors) {
      for (std::uint64_t occurrence = 0;; ++occurrence) {
        SCOPED_TRACE(testing::Message() << "call " << static_cast<int>(fault.call) << ", errno "
                                        << error << ", occurrence " << occurrence);
        Scenario scenario(tuning());
        scenario.world().sys.fail_next(fault.call, error, occurrence);
        scenario.run();
        const bool met = scenario.world().sys.faults_left() == 0;
        scenario.expect_nothing_left();
        ++runs;
        if (testing::Test::HasFailure()) return;
        // Late reads and waits are all alike.
        if (!met || occurrence >= 60) break;
      }
    }
  }
  RecordProperty("runs", static_cast<int>(runs));
}

/// For good, not once: from the n-th call on, none of its kind succeeds.
TEST_P(FaultSweep, ACallThatKeepsFailingLeavesNothingBehindEither) {
  for (const Fault& fault : faults()) {
    // These may be repeated for ever by contract: a wait, a would-block.
    if (fault.call == Call::epoll_wait) continue;
    for (const int error : fault.errors) {
      if (error == EINTR || error == EAGAIN) continue;
      for (const std::uint64_t from : {0U, 1U, 2U, 5U}) {
        SCOPED_TRACE(testing::Message() << "call " << static_cast<int>(fault.call) << ", errno "
                                        << error << ", from " << from);
        Scenario scenario(tuning());
        for (std::uint64_t more = 0; more < 500; ++more) {
          scenario.world().sys.fail_next(fault.call, error, from + more);
        }
        scenario.run();
        scenario.expect_nothing_left();
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

std::string tuning_name(const testing::TestParamInfo<const char*>& info) {
  constexpr std::array kNames = {"Levels", "Edges", "Queued"};
  return kNames[info.index];
}

INSTANTIATE_TEST_SUITE_P(Tunings, FaultSweep,
                         testing::Values("poller=epoll_lt", "poller=epoll_et",
                                         "direct_write=0,ctrl_every_event=0"),
                         tuning_name);

}  // namespace
}  // namespace skysock
