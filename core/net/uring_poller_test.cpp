// What does a UringPoller do when the kernel does what it rarely does: has no buffer or no place
// left, cannot accept, does not begin what was prepared, completes what nobody waits for any more?
// On a scripted ring; that the real one does what this one pretends, uring_test.cpp says.

#include "core/net/uring_poller.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/net/test_scripted_ring.hpp"

namespace skysock {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Kind = ScriptedRing::Kind;

class UringPollerOnScriptedRing : public testing::Test {
 protected:
  /// A socket as the reactor has it.
  struct Socket {
    SocketId id = 0;
    int fd = -1;
    std::uint32_t read_size = 4'096;
    Registration registration = {};

    PolledSocket polled() {
      return {.id = id, .fd = fd, .read_size = read_size, .registration = registration};
    }
  };
  static std::uint64_t receive_of(const Socket& socket) {
    return uring_user(UringRequest::receive, static_cast<std::uint32_t>(socket.id));
  }
  static std::uint64_t accept_of(const Socket& socket) {
    return uring_user(UringRequest::accept, static_cast<std::uint32_t>(socket.id));
  }

  void make(const std::string& tuning = "") {
    poller_ = UringPoller<ScriptedSys>::create(sys_, parse_tuning(tuning).value()).value();
  }
  UringPoller<ScriptedSys>& poller() { return *poller_; }
  static ScriptedRing::Kernel& ring() { return ScriptedRing::kernel(); }

  /// A stream that is read; the ring has begun to.
  Socket stream(SocketId id = 7) {
    Socket socket{.id = id, .fd = sys_.open_spare().value()};
    EXPECT_TRUE(poller().watch(socket.polled(), Watch::read, false));
    EXPECT_THAT(turn(socket, Watch::read), IsEmpty());
    EXPECT_TRUE(ring().armed.contains(receive_of(socket)));
    return socket;
  }
  /// A listener, from which the ring has begun to accept.
  Socket listener(SocketId id = 9) {
    Socket socket{.id = id, .fd = sys_.stream_socket(AF_INET).value()};
    EXPECT_TRUE(sys_.bind(socket.fd, at_));
    EXPECT_TRUE(sys_.listen(socket.fd, 8));
    EXPECT_TRUE(poller().watch(socket.polled(), Watch::accept, false));
    EXPECT_THAT(turn(socket, Watch::accept), IsEmpty());
    EXPECT_TRUE(ring().armed.contains(accept_of(socket)));
    return socket;
  }
  /// The ring accepts somebody.
  int accepted(const Socket& listener) {
    const int fd = sys_.open_spare().value();
    ring().complete(accept_of(listener), fd, true);
    return fd;
  }

  /// The ring watches epoll's descriptor, which is ready now.
  static void epoll_is_ready() {
    ring().due.push_back({.user = uring_user(UringRequest::watched, 0), .result = 1});
  }

  auto note_sent() {
    return [this](SentByPoller&& sent) {
      sent_.push_back(std::string(std::as_const(sent.payload).text()) + ": " +
                      (sent.answer ? std::to_string(*sent.answer) : sent.answer.error().message()));
    };
  }

  /// One wait, and what it tells of the only socket that there is.
  std::vector<std::string> turn(Socket& socket, Watch watch) {
    std::vector<std::string> told;
    const auto hear = [&](auto&& io) {
      using Io = std::remove_cvref_t<decltype(io)>;
      if constexpr (std::is_same_v<Io, Received>) told.emplace_back(io.data.text());
      if constexpr (std::is_same_v<Io, Eof>) told.emplace_back("(end)");
      if constexpr (std::is_same_v<Io, IoError>) told.push_back(io.error.message());
      if constexpr (std::is_same_v<Io, AcceptFailed>) told.push_back("no: " + io.error.message());
      if constexpr (std::is_same_v<Io, Accepted>) {
        told.emplace_back("accepted");
        sys_.close(io.socket.fd);
      }
      return true;
    };
    const auto all = poller().wait(0, note_sent());
    for (const Ready& ready : std::vector<Ready>(all.begin(), all.end())) {
      if (ready.id == socket.id) poller().complete(ready.events, socket.polled(), watch, hear);
    }
    return told;
  }

  /// The next wait tells of a socket that is gone. Returns what drop() answers.
  std::vector<bool> drop_all() {
    std::vector<bool> answers;
    const auto all = poller().wait(0, note_sent());
    for (const Ready& ready : std::vector<Ready>(all.begin(), all.end())) {
      if (ready.id != kControlReady) answers.push_back(poller().drop(ready));
    }
    return answers;
  }

  ScriptedSys sys_;
  const Endpoint at_ = *Endpoint::from_numeric("127.0.0.1", 4'000);
  std::unique_ptr<UringPoller<ScriptedSys>> poller_;
  std::vector<std::string> sent_;
};

// ---- Buffers

TEST_F(UringPollerOnScriptedRing, ThereAreTwiceAsManyBuffersWhenThereWereTooFew) {
  make();
  Socket socket = stream();
  const std::size_t before = ring().lent.size();
  ring().complete(receive_of(socket), -ENOBUFS, false);
  EXPECT_THAT(turn(socket, Watch::read), IsEmpty());
  EXPECT_EQ(ring().lent.size(), 2 * before);
  EXPECT_THAT(turn(socket, Watch::read), IsEmpty());
  ring().receive(receive_of(socket), "it goes on");
  EXPECT_THAT(turn(socket, Watch::read), ElementsAre("it goes on"));
  EXPECT_EQ(ring().lent.size(), 2 * before);
}

TEST_F(UringPollerOnScriptedRing, WhatNobodyTakesGivesItsBuffersBack) {
  make();
  const Socket socket = stream();
  const std::size_t before = ring().lent.size();
  for (const char* text : {"one", "two", "three"}) ring().receive(receive_of(socket), text);
  EXPECT_THAT(drop_all(), ElementsAre(true));
  EXPECT_EQ(ring().lent.size(), before);
}

TEST_F(UringPollerOnScriptedRing, TheEndOfAStreamGivesItsBufferBack) {
  make();
  Socket socket = stream();
  const std::size_t before = ring().lent.size();
  ring().receive(receive_of(socket), "", false);
  EXPECT_THAT(turn(socket, Watch::read), ElementsAre("(end)"));
  EXPECT_EQ(ring().lent.size(), before);
}

TEST_F(UringPollerOnScriptedRing, TheEndOfACancelledRequestIsNobodysLateEvent) {
  make();
  const Socket socket = stream();
  ring().complete(receive_of(socket), -ECANCELED, false);
  EXPECT_THAT(drop_all(), ElementsAre(false));
}

// ---- Accepting

TEST_F(UringPollerOnScriptedRing, AListenerThatCannotAcceptIsEpollsUntilItCanAgain) {
  make();
  Socket socket = listener();
  ring().complete(accept_of(socket), -EMFILE, false);
  EXPECT_THAT(turn(socket, Watch::accept), IsEmpty());
  EXPECT_THAT(turn(socket, Watch::accept), IsEmpty());
  EXPECT_EQ(ring().count(Kind::accept), 1U) << "it would fail again and again";
  const SimPeer client = sys_.dial(at_).value();
  sys_.fail_next(Call::accept, EMFILE);
  epoll_is_ready();
  EXPECT_THAT(turn(socket, Watch::accept), ElementsAre("no: Too many open files"));
  turn(socket, Watch::accept);
  EXPECT_EQ(ring().count(Kind::accept), 1U) << "nobody was accepted yet";
  epoll_is_ready();
  EXPECT_THAT(turn(socket, Watch::accept), ElementsAre("accepted"));
  EXPECT_THAT(turn(socket, Watch::accept), IsEmpty());
  EXPECT_EQ(ring().count(Kind::accept), 2U);
  accepted(socket);
  EXPECT_THAT(turn(socket, Watch::accept), ElementsAre("accepted"));
}

TEST_F(UringPollerOnScriptedRing, AConnectionThatIsGonePassesAndTheRingGoesOn) {
  make();
  std::size_t accepts = 1;
  Socket socket = listener();
  for (const int error : {ECONNABORTED, EPROTO, EINTR, EAGAIN}) {
    ring().complete(accept_of(socket), -error, false);
    EXPECT_THAT(turn(socket, Watch::accept), IsEmpty());
    EXPECT_THAT(turn(socket, Watch::accept), IsEmpty());
    EXPECT_EQ(ring().count(Kind::accept), ++accepts) << error;
  }
}

TEST_F(UringPollerOnScriptedRing, AListenerTellsOfSomeAndThenTheOthersGetATurn) {
  make("accept_batch=2");
  Socket socket = listener();
  for (int count = 0; count < 5; ++count) accepted(socket);
  EXPECT_THAT(turn(socket, Watch::accept), ElementsAre("accepted", "accepted"));
  EXPECT_EQ(ring().count(Kind::cancel), 1U) << "the kernel holds those who come back";
  EXPECT_THAT(turn(socket, Watch::accept), ElementsAre("accepted", "accepted"));
  EXPECT_THAT(turn(socket, Watch::accept), ElementsAre("accepted"));
  EXPECT_THAT(turn(socket, Watch::accept), IsEmpty());
  EXPECT_TRUE(ring().armed.contains(accept_of(socket))) << "it accepts again";
}

TEST_F(UringPollerOnScriptedRing, WhoWasAcceptedForNobodyIsClosed) {
  make();
  const Socket socket = listener();
  const std::size_t before = sys_.open_fds();
  accepted(socket);
  EXPECT_THAT(drop_all(), ElementsAre(true));
  EXPECT_EQ(sys_.open_fds(), before);
}

TEST_F(UringPollerOnScriptedRing, WhoWasAcceptedWhenAllEndsIsClosed) {
  make();
  const Socket socket = listener();
  const std::size_t before = sys_.open_fds();
  accepted(socket);
  poller_.reset();
  EXPECT_EQ(sys_.open_fds(), before - 1) << "epoll's is gone, too";
}

TEST_F(UringPollerOnScriptedRing, WhoWasKeptOfAListenerThatCannotAcceptIsToldWhenItStartsAgain) {
  make("accept_batch=1");
  Socket socket = listener();
  accepted(socket);
  accepted(socket);
  ring().complete(accept_of(socket), -EMFILE, false);
  EXPECT_THAT(turn(socket, Watch::accept), IsEmpty()) << "first epoll hears of it";
  EXPECT_THAT(turn(socket, Watch::accept), ElementsAre("accepted"));
  EXPECT_TRUE(poller().watch(socket.polled(), Watch::hang_up, false));  // Held.
  EXPECT_THAT(turn(socket, Watch::hang_up), IsEmpty());
  EXPECT_TRUE(poller().watch(socket.polled(), Watch::accept, false));
  EXPECT_THAT(turn(socket, Watch::accept), ElementsAre("accepted"));
}

// ---- Held streams

TEST_F(UringPollerOnScriptedRing, AResetEndsAHeldStreamBehindWhatWasReceived) {
  make();
  Socket socket = stream();
  ring().receive(receive_of(socket), "last");
  ring().complete(receive_of(socket), -ECONNRESET, false);
  EXPECT_THAT(turn(socket, Watch::held), ElementsAre("last", "Connection reset by peer"));
}

TEST_F(UringPollerOnScriptedRing, AResetThatEpollTellsOfComesBehindWhatTheRingReceived) {
  make();
  auto [fd, peer] = sys_.lend_connection();
  Socket socket{.id = 7, .fd = fd};
  EXPECT_TRUE(poller().watch(socket.polled(), Watch::read, false));
  EXPECT_THAT(turn(socket, Watch::read), IsEmpty());
  ring().receive(receive_of(socket), "kept");
  EXPECT_THAT(turn(socket, Watch::held), IsEmpty());
  EXPECT_TRUE(poller().watch(socket.polled(), Watch::held, false));
  EXPECT_THAT(turn(socket, Watch::held), IsEmpty());
  peer.reset();
  epoll_is_ready();
  EXPECT_THAT(turn(socket, Watch::held), ElementsAre("kept", "Connection reset by peer"));
}

TEST_F(UringPollerOnScriptedRing, AFileIsAlwaysReadySoNobodySleeps) {
  make();
  Socket socket{.id = 7, .fd = sys_.lend_file("all")};
  const PolledSocket polled{.id = socket.id,
                            .fd = socket.fd,
                            .borrowed = true,
                            .read_size = socket.read_size,
                            .registration = socket.registration};
  EXPECT_TRUE(poller().watch(polled, Watch::read, false));
  poller().wait(1'000, note_sent());
  EXPECT_EQ(ring().timeout_ms, 0);
}

// ---- Turns

TEST_F(UringPollerOnScriptedRing, AStreamTellsSomeAndThenTheOthersGetATurn) {
  make("reads_per_event=2");
  Socket socket = stream();
  for (const char* text : {"1", "2", "3", "4", "5"}) ring().receive(receive_of(socket), text);
  EXPECT_THAT(turn(socket, Watch::read), ElementsAre("1", "2"));
  EXPECT_EQ(ring().count(Kind::cancel), 1U) << "the kernel holds the peer back";
  EXPECT_THAT(turn(socket, Watch::read), ElementsAre("3", "4"));
  EXPECT_THAT(turn(socket, Watch::read), ElementsAre("5"));
  EXPECT_THAT(turn(socket, Watch::read), IsEmpty());
  EXPECT_TRUE(ring().armed.contains(receive_of(socket))) << "it reads again";
}

TEST_F(UringPollerOnScriptedRing, SoManyBytesAreATurn) {
  make("bytes_per_event=64");
  Socket socket = stream();
  const std::string piece(40, 'x');
  for (int count = 0; count < 2; ++count) ring().receive(receive_of(socket), piece);
  EXPECT_THAT(turn(socket, Watch::read), ElementsAre(piece));
  EXPECT_THAT(turn(socket, Watch::read), ElementsAre(piece));
}

// ---- No place in the ring

TEST_F(UringPollerOnScriptedRing, WhatHadNoPlaceIsAskedForWithTheNextBatch) {
  make();
  Socket socket{.id = 7, .fd = sys_.open_spare().value()};
  ring().full = true;
  EXPECT_TRUE(poller().watch(socket.polled(), Watch::read, false));
  EXPECT_THAT(turn(socket, Watch::read), IsEmpty());
  ring().full = false;
  EXPECT_THAT(turn(socket, Watch::read), IsEmpty());
  EXPECT_THAT(turn(socket, Watch::read), IsEmpty());
  ring().receive(receive_of(socket), "heard");
  EXPECT_THAT(turn(socket, Watch::read), ElementsAre("heard"));
}

// ---- Sends

class UringPollerSends : public UringPollerOnScriptedRing {
 protected:
  void SetUp() override {
    make();
    auto [fd, peer] = sys_.lend_connection();
    fd_ = fd;
    peer_.emplace(std::move(peer));
  }
  bool send(std::string_view text) {
    return poller().send(7, fd_, text.size(), [&] { return Block::copy_of(text); });
  }
  int fd_ = -1;
  std::optional<SimPeer> peer_;
};

TEST_F(UringPollerSends, WhatDidNotBeginIsWrittenAndNeverBegins) {
  EXPECT_TRUE(send("one, "));
  EXPECT_TRUE(send("two"));
  ring().stuck = true;
  EXPECT_TRUE(poller().finish_sends(note_sent()));
  EXPECT_THAT(sent_, ElementsAre("one, : 5", "two: 3"));
  EXPECT_EQ(peer_->read(), "one, two");
  EXPECT_EQ(ring().count(Kind::send), 0U) << "the peer would get it twice";
  EXPECT_FALSE(poller().finish_sends(note_sent()));
}

TEST_F(UringPollerSends, WhatHadNoPlaceIsWrittenBehindTheOthers) {
  EXPECT_TRUE(send("by the ring"));
  ring().full = true;
  EXPECT_TRUE(send("by us"));
  poller().wait(0, note_sent());
  EXPECT_THAT(sent_, ElementsAre("by the ring: 11", "by us: 5"));
  EXPECT_EQ(peer_->read(), "by us");
}

TEST_F(UringPollerSends, AnAnswerIsThatOfItsOwnSend) {
  EXPECT_TRUE(send("whole"));
  EXPECT_TRUE(send("a part of it"));
  EXPECT_TRUE(send("refused"));
  ring().due.push_back({.user = uring_user(UringRequest::send, 1), .result = 6});
  ring().due.push_back({.user = uring_user(UringRequest::send, 2), .result = -EPIPE});
  poller().wait(0, note_sent());
  EXPECT_THAT(sent_, ElementsAre("whole: 5", "a part of it: 6", "refused: Broken pipe"));
}

TEST_F(UringPollerSends, WhoLeavesTellsOfThoseThatLeftWithItsCancel) {
  Socket socket = stream();
  EXPECT_TRUE(send("last"));
  poller().leave(socket.polled(), note_sent());
  EXPECT_THAT(sent_, ElementsAre("last: 4"));
}

TEST_F(UringPollerSends, TooLongOnesAreNotTaken) {
  EXPECT_TRUE(send(std::string(65'536, 'x')));
  EXPECT_FALSE(send(std::string(65'537, 'x')));
}

// ---- Leaving

TEST_F(UringPollerOnScriptedRing, WhoLeavesWaitsForTheEndOfItsRequest) {
  make();
  Socket socket = stream();
  Socket other = stream(8);
  ring().late = true;
  // Another one's end is not what it waits for.
  ring().receive(receive_of(other), "the other's", false);
  poller().leave(socket.polled(), note_sent());
  EXPECT_FALSE(ring().armed.contains(receive_of(socket)));
  EXPECT_THAT(turn(other, Watch::read), ElementsAre("the other's"));
}

TEST_F(UringPollerOnScriptedRing, WhoLeavesWhenItsRequestHasEndedAlreadyDoesNotWaitForEver) {
  make();
  Socket socket = stream();
  ring().receive(receive_of(socket), "last", false);
  poller().leave(socket.polled(), note_sent());
  EXPECT_THAT(drop_all(), ElementsAre(true));
  // Its end was taken, and is not there to be waited for: the cancel's own answer is.
  Socket other = stream(8);
  ring().armed.erase(receive_of(other));
  poller().leave(other.polled(), note_sent());
}

TEST_F(UringPollerOnScriptedRing, WhoLeavesTakesWhatWasKeptWithIt) {
  make();
  Socket socket = listener();
  const std::size_t before = sys_.open_fds();
  accepted(socket);
  EXPECT_TRUE(poller().watch(socket.polled(), Watch::hang_up, false));  // Held: nobody is told.
  EXPECT_THAT(turn(socket, Watch::hang_up), IsEmpty());
  EXPECT_EQ(sys_.open_fds(), before + 1);
  poller().leave(socket.polled(), note_sent());
  EXPECT_EQ(sys_.open_fds(), before);
}

// ---- The end

TEST_F(UringPollerOnScriptedRing, WhatWasPreparedLastDoesNotOutliveTheEnd) {
  make();
  Socket socket{.id = 7, .fd = sys_.open_spare().value()};
  EXPECT_TRUE(poller().watch(socket.polled(), Watch::read, false));
  EXPECT_THAT(ring().armed, IsEmpty()) << "it begins with the next wait";
  poller().stop(note_sent());
  EXPECT_THAT(ring().armed, IsEmpty()) << "it keeps the descriptor open";
  poller().leave(socket.polled(), note_sent());
  EXPECT_THAT(ring().disconnected, IsEmpty());
}

TEST_F(UringPollerOnScriptedRing, WhatCannotBeCancelledIsDisconnectedAtLeast) {
  make();
  Socket socket = stream();
  ring().can_cancel_all = false;
  poller().stop(note_sent());
  poller().leave(socket.polled(), note_sent());
  EXPECT_THAT(ring().disconnected, ElementsAre(socket.fd));
}

}  // namespace
}  // namespace skysock
