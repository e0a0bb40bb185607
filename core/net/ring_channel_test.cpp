// Do packets come out of a control channel as they went in, whoever writes at the same time and
// wherever the stream is cut, and does its reader always wake up? Every test is asked of both
// kinds; what only a ring promises is at the end. Left out: the reactor, and how fast they are.

#include "core/net/ring_channel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <semaphore>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "core/base/prng.hpp"
#include "core/net/pipe_channel.hpp"

namespace skysock {
namespace {

/// The real kernel, and how often it was asked.
class CountingSys {
 public:
  void close(int fd) { ::close(fd); }
  Result<std::size_t> read(int fd, std::span<std::byte> into) {
    ++reads;
    if (const int code = read_error.exchange(0); code != 0) return Failure(errno_code(code));
    return result(::read(fd, into.data(), into.size()));
  }
  Result<std::size_t> write(int fd, std::span<const std::byte> from) {
    ++writes;
    if (const int code = write_error.exchange(0); code != 0) return Failure(errno_code(code));
    return result(::write(fd, from.data(), from.size()));
  }
  Result<PipeEnds> make_pipe() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) < 0) return last_errno();
    if (::fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) return last_errno();
    return PipeEnds{.read_fd = fds[0], .write_fd = fds[1]};
  }
  Result<int> make_event() {
    const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) return last_errno();
    return fd;
  }
  void signal_event(int fd) {
    ++signals;
    if (const auto hook = before_signal) hook();
    EXPECT_EQ(::eventfd_write(fd, 1), 0);
  }
  void yield_thread() { ::sched_yield(); }
  static void yield_point(YieldPoint /*point*/) {}

  std::atomic<int> reads = 0;
  std::atomic<int> writes = 0;
  std::atomic<int> signals = 0;
  std::atomic<int> read_error = 0;   ///< Of the next read, if not 0.
  std::atomic<int> write_error = 0;  ///< Of the next write, if not 0.
  std::function<void()> before_signal;

 private:
  static Result<std::size_t> result(ssize_t count) {
    if (count < 0) return last_errno();
    return static_cast<std::size_t>(count);
  }
};

using Packet = std::expected<ControlPacket, ControlError>;
using Packets = std::vector<Packet>;

constexpr std::size_t kSmallRing = RingChannel<CountingSys>::kRingBytesMin;
constexpr std::size_t kNoLimit = 1'000'000;
constexpr int kStuckMs = 20'000;  ///< Nothing here takes that long, sanitizers included.

template <typename Channel>
class ControlChannel : public testing::Test {
 protected:
  Packets receive(std::size_t packets_max = kNoLimit) {
    Packets packets;
    channel.receive([&](const Packet& packet) { packets.push_back(packet); }, packets_max);
    return packets;
  }
  Packets receive_all() {
    Packets packets;
    while (channel.pending()) {
      channel.receive([&](const Packet& packet) { packets.push_back(packet); }, kNoLimit);
    }
    return packets;
  }
  void send(const ControlPacket& packet) { ASSERT_TRUE(channel.send(encode(packet)).has_value()); }
  void send_bytes(std::span<const std::byte> bytes) {
    ASSERT_TRUE(channel.send_bytes(bytes).has_value());
  }

  /// Sleeps in poll(2) as a reactor does, if the channel allows it. False: nobody woke it in time.
  bool wait(int timeout_ms = kStuckMs) {
    if (!channel.prepare_wait()) return true;
    std::array<pollfd, 2> fds = {pollfd{channel.ready_fd(), POLLIN, 0},
                                 pollfd{channel.wake_fd(), POLLIN, 0}};
    const auto ready = TEMP_FAILURE_RETRY(::poll(fds.data(), fds.size(), timeout_ms));
    channel.finish_wait();
    return ready > 0;
  }

  CountingSys sys;
  Channel channel = std::move(*Channel::create(sys, kSmallRing));
};

using Kinds = testing::Types<PipeChannel<CountingSys>, RingChannel<CountingSys>>;
class KindNames {
 public:
  template <typename Channel>
  static std::string GetName(int) {
    return std::is_same_v<Channel, PipeChannel<CountingSys>> ? "Pipe" : "Ring";
  }
};
TYPED_TEST_SUITE(ControlChannel, Kinds, KindNames);

std::vector<std::byte> stream_of(std::initializer_list<ControlPacket> packets) {
  std::vector<std::byte> stream;
  for (const ControlPacket& packet : packets) {
    const EncodedPacket encoded = encode(packet);
    stream.insert(stream.end(), encoded.bytes().begin(), encoded.bytes().end());
  }
  return stream;
}

/// The packets of `stream` as the length bytes say, without a channel.
Packets packets_of(std::span<const std::byte> stream) {
  Packets packets;
  while (stream.size() >= 2 && packet_bytes(stream[1]) <= stream.size()) {
    packets.push_back(decode(stream.first(packet_bytes(stream[1]))));
    stream = stream.subspan(packet_bytes(stream[1]));
  }
  return packets;
}

OpenPacket longest_packet(SocketId id) {
  return {.id = id, .requester = 4, .port = 5, .host = std::string(kHostBytesMax, 'h')};
}

// ---- Packets

TYPED_TEST(ControlChannel, AnEmptyOneGivesNothingAndAllowsToSleep) {
  EXPECT_FALSE(this->channel.pending());
  EXPECT_TRUE(this->receive().empty());
  EXPECT_TRUE(this->channel.prepare_wait());
  this->channel.finish_wait();
}

TYPED_TEST(ControlChannel, EitherKindFitsIntoOneVariant) {
  std::variant<PipeChannel<CountingSys>, RingChannel<CountingSys>> any(std::move(this->channel));
  std::size_t received = 0;
  std::visit(
      [&](auto& either) {
        ASSERT_TRUE(either.send(encode(ExitPacket{})).has_value());
        received = either.receive([](const Packet& packet) { EXPECT_TRUE(packet); }, kNoLimit);
      },
      any);
  EXPECT_EQ(received, 1U);
}

TYPED_TEST(ControlChannel, PacketsComeOutInOrderAndEqual) {
  Packets sent;
  for (SocketId id = 1; id <= 100; ++id) {
    sent.emplace_back(StartPacket{.id = id, .requester = 1});
    sent.emplace_back(SendPacket{.id = id, .payload = 7, .priority = Priority::low});
    sent.emplace_back(ExitPacket{});
  }
  for (const Packet& packet : sent) this->send(*packet);
  EXPECT_TRUE(this->channel.pending());
  EXPECT_EQ(this->receive(), sent);
  EXPECT_FALSE(this->channel.pending());
}

TYPED_TEST(ControlChannel, TheLongestPacketArrives) {
  for (SocketId id = 1; id <= 500; ++id) {
    this->send(longest_packet(id));
    ASSERT_EQ(this->receive(), Packets{longest_packet(id)});
  }
}

TYPED_TEST(ControlChannel, NoMorePacketsAreGivenThanAskedFor) {
  for (SocketId id = 1; id <= 5; ++id) this->send(StartPacket{.id = id});
  EXPECT_EQ(this->receive(2), (Packets{StartPacket{.id = 1}, StartPacket{.id = 2}}));
  EXPECT_TRUE(this->channel.pending());
  EXPECT_FALSE(this->channel.prepare_wait());
  EXPECT_EQ(this->receive(2), (Packets{StartPacket{.id = 3}, StartPacket{.id = 4}}));
  EXPECT_TRUE(this->channel.pending());
  EXPECT_EQ(this->receive(1), Packets{StartPacket{.id = 5}});
  EXPECT_FALSE(this->channel.pending());
}

TYPED_TEST(ControlChannel, ALimitInsideOnePieceOfBytesIsKeptToo) {
  const auto stream = stream_of({StartPacket{.id = 1}, StartPacket{.id = 2}, StartPacket{.id = 3}});
  this->send_bytes(stream);
  this->send(StartPacket{.id = 4});
  for (SocketId id = 1; id <= 4; ++id) {
    ASSERT_TRUE(this->channel.pending());
    ASSERT_EQ(this->receive(1), Packets{StartPacket{.id = id}});
  }
  EXPECT_FALSE(this->channel.pending());
}

// ---- Raw bytes

TYPED_TEST(ControlChannel, AStreamCutAnywhereGivesThePacketsOfTheUncutOne) {
  const auto stream = stream_of({StartPacket{.id = 1, .requester = 2}, longest_packet(3),
                                 ExitPacket{}, ClosePacket{.id = 6}});
  const Packets uncut = packets_of(stream);
  ASSERT_EQ(uncut.size(), 4U);
  const std::span<const std::byte> whole(stream);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    this->send_bytes(whole.first(cut));
    Packets packets = this->receive_all();
    EXPECT_FALSE(this->channel.pending()) << "half a packet is nothing to do";
    this->send_bytes(whole.subspan(cut));
    for (Packet& packet : this->receive_all()) packets.push_back(std::move(packet));
    ASSERT_EQ(packets, uncut) << "cut at " << cut;
  }
}

TYPED_TEST(ControlChannel, AStreamOfSingleBytesGivesThePacketsOfTheUncutOne) {
  const auto stream = stream_of({StartPacket{.id = 1}, ExitPacket{}, longest_packet(2)});
  for (const std::byte& byte : stream) this->send_bytes(std::span(&byte, 1));
  EXPECT_EQ(this->receive_all(), packets_of(stream));
}

TYPED_TEST(ControlChannel, APacketBehindHalfAPacketContinuesIt) {
  auto stream = stream_of({StartPacket{.id = 1}, StartPacket{.id = 2}});
  stream.resize(stream.size() - 5);
  this->send_bytes(stream);
  this->send(StartPacket{.id = 3});
  const EncodedPacket last = encode(StartPacket{.id = 3});
  stream.insert(stream.end(), last.bytes().begin(), last.bytes().end());
  EXPECT_EQ(this->receive_all(), packets_of(stream));
}

TYPED_TEST(ControlChannel, AMalformedPacketCostsOnlyItself) {
  auto stream = stream_of({StartPacket{.id = 1}, StartPacket{.id = 2}, StartPacket{.id = 3}});
  stream[10] = std::byte{'?'};
  this->send_bytes(stream);
  EXPECT_EQ(this->receive(),
            (Packets{StartPacket{.id = 1}, std::unexpected(ControlError::unknown_type),
                     StartPacket{.id = 3}}));
}

TYPED_TEST(ControlChannel, GarbageGivesTheErrorsOfDecodeWhereverItIsCut) {
  Prng prng(20'260'301);
  std::vector<std::byte> garbage(500'000);
  for (std::byte& byte : garbage) byte = static_cast<std::byte>(prng());
  Packets packets;
  const auto take = [&packets](const Packet& packet) { packets.push_back(packet); };
  std::span<const std::byte> rest = garbage;
  while (!rest.empty()) {
    // At most 8 small pieces wait at a time: nobody else would make room.
    for (int piece = 0; piece < 8; ++piece) {
      const std::size_t size = std::min<std::size_t>(1 + prng.below(1'000), rest.size());
      this->send_bytes(rest.first(size));
      rest = rest.subspan(size);
      this->channel.receive(take, 1 + prng.below(5));
    }
    while (this->channel.pending()) this->channel.receive(take, 1 + prng.below(5));
  }
  EXPECT_EQ(packets, packets_of(garbage));
}

// ---- Several senders

TYPED_TEST(ControlChannel, FourSendersLoseNothingAndKeepTheirOrder) {
  constexpr int kSenders = 4;
  constexpr SocketId kEach = 100'000;  // Far more than a channel holds: senders block and go on.
  std::vector<std::thread> senders;
  for (ServiceHandle sender = 1; sender <= kSenders; ++sender) {
    senders.emplace_back([this, sender] {
      for (SocketId id = 1; id <= kEach; ++id) this->send(StartPacket{id, sender});
    });
  }
  std::map<ServiceHandle, SocketId> last;
  int received = 0;
  bool woken = true;
  while (received < kSenders * kEach && woken) {
    received += static_cast<int>(this->channel.receive(
        [&](const Packet& packet) {
          ASSERT_TRUE(packet.has_value());
          const auto& start = std::get<StartPacket>(*packet);
          ASSERT_EQ(start.id, ++last[start.requester]) << "of sender " << start.requester;
        },
        1'000));
    if (received < kSenders * kEach) woken = this->wait();
  }
  EXPECT_TRUE(woken) << "asleep after " << received << " packets";
  if (!woken) this->channel.shut();
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(this->receive_all().size(), 0U) << "more than was sent";
}

TYPED_TEST(ControlChannel, PiecesOfSendersThatRaceStayWhole) {
  constexpr int kPieces = 3'000;
  const auto send_pieces = [this](SocketId id) {
    const auto piece = stream_of({StartPacket{.id = id}, longest_packet(id), ExitPacket{}});
    for (int i = 0; i < kPieces; ++i) this->send_bytes(piece);
  };
  std::thread one(send_pieces, 1);
  std::thread two(send_pieces, 2);
  Packets piece;
  for (int pieces = 0; pieces < 2 * kPieces;) {
    for (Packet& packet : this->receive(1)) piece.push_back(std::move(packet));
    if (piece.size() < 3) continue;
    const SocketId id = std::get<StartPacket>(*piece[0]).id;
    EXPECT_EQ(piece, (Packets{StartPacket{.id = id}, longest_packet(id), ExitPacket{}}));
    piece.clear();
    ++pieces;
  }
  one.join();
  two.join();
}

// ---- Full channels

TYPED_TEST(ControlChannel, AFullOneHoldsItsSenderUntilTheReaderReads) {
  constexpr SocketId kPackets = 20'000;  // 200 kB; the pipe holds 64 KiB, the ring 16.
  std::atomic<SocketId> sent = 0;
  std::thread sender([&] {
    for (SocketId id = 1; id <= kPackets; ++id) {
      this->send(StartPacket{.id = id});
      sent = id;
    }
  });
  // Blocked: the same count for a while. A slow sender would only make the test weaker.
  SocketId before = -1;
  while (sent != before) {
    before = sent;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_LT(sent, 7'000) << "a channel without end";
  SocketId received = 0;
  while (received < kPackets) {
    for (const Packet& packet : this->receive(100)) {
      EXPECT_EQ(packet, Packet(StartPacket{.id = ++received}));
    }
  }
  sender.join();
}

TYPED_TEST(ControlChannel, ShutReleasesBlockedSendersWithEpipe) {
  std::vector<std::thread> senders;
  std::array<std::error_code, 3> errors;
  std::atomic<int> sent = 0;
  for (std::error_code& error : errors) {
    senders.emplace_back([&] {
      Result<void> result;
      while ((result = this->channel.send(encode(StartPacket{.id = 1})))) ++sent;
      error = result.error();
    });
  }
  for (int before = -1; sent != before;) {
    before = sent;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  this->channel.shut();
  for (std::thread& sender : senders) sender.join();
  for (const std::error_code& error : errors) EXPECT_EQ(error, std::errc::broken_pipe);
}

TYPED_TEST(ControlChannel, AfterShutEverySendGivesEpipe) {
  this->send(ExitPacket{});
  this->channel.shut();
  EXPECT_EQ(this->channel.send(encode(ExitPacket{})).error(), std::errc::broken_pipe);
  EXPECT_EQ(this->channel.send_bytes(stream_of({ExitPacket{}})).error(), std::errc::broken_pipe);
}

// ---- Sleeping

/// A few nanoseconds to a microsecond, so that two threads meet at every point of their ways.
void dawdle(Prng& prng) {
  for (std::uint64_t left = prng.below(300); left > 0; --left) {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // Keeps the loop.
  }
}

TYPED_TEST(ControlChannel, ASleeperIsWokenInEveryOfManyRounds) {
  constexpr SocketId kRounds = 100'000;
  std::atomic<SocketId> turn = 0;
  std::thread sender([&] {
    Prng prng(1);
    for (SocketId id = 1; id <= kRounds; ++id) {
      for (int spins = 1; turn < id; ++spins) {
        if (spins % 256 == 0) std::this_thread::yield();
      }
      if (turn > kRounds) return;
      dawdle(prng);
      this->send(StartPacket{.id = id});
    }
  });
  Prng prng(2);
  bool woken = true;
  SocketId received = 0;
  for (SocketId id = 1; id <= kRounds && woken; ++id) {
    turn = id;
    dawdle(prng);
    while (received < id && woken) {
      woken = this->wait();
      for (const Packet& packet : this->receive()) {
        EXPECT_EQ(packet, Packet(StartPacket{.id = ++received}));
      }
    }
  }
  EXPECT_TRUE(woken) << "asleep in round " << received + 1;
  turn = kRounds + 1;
  sender.join();
}

TYPED_TEST(ControlChannel, WakeEndsTheWaitUnderWay) {
  std::thread waker;
  ASSERT_TRUE(this->channel.prepare_wait());
  waker = std::thread([this] { this->channel.wake(); });
  const int fd = this->channel.wake_fd() >= 0 ? this->channel.wake_fd() : this->channel.ready_fd();
  pollfd ready{fd, POLLIN, 0};
  EXPECT_EQ(TEMP_FAILURE_RETRY(::poll(&ready, 1, kStuckMs)), 1);
  waker.join();
  this->channel.finish_wait();
  EXPECT_EQ(::poll(&ready, 1, 0), 0) << "the signal was not taken";
  EXPECT_EQ(this->channel.counters().signals, 1U);
}

TYPED_TEST(ControlChannel, WakeKeepsTheNextWaitFromBeginningOnce) {
  this->channel.wake();
  this->channel.wake();
  EXPECT_FALSE(this->channel.prepare_wait());
  EXPECT_TRUE(this->channel.prepare_wait());
  this->channel.finish_wait();
  EXPECT_EQ(this->sys.signals, 0) << "nobody slept";
}

TYPED_TEST(ControlChannel, ASignalThatComesWhenTheWaitIsOverIsTakenAfterTheNextOne) {
  // The waker is between "the reader sleeps" and its write(2) when the wait ends for another
  // reason.
  this->sys.before_signal = [this] { this->channel.finish_wait(); };
  ASSERT_TRUE(this->channel.prepare_wait());
  this->channel.wake();
  EXPECT_TRUE(this->wait(0)) << "the signal was taken before it was given";
  EXPECT_FALSE(this->wait(0)) << "the signal was never taken";
}

TYPED_TEST(ControlChannel, TwoSignalsInOneCountAreTakenByOneRead) {
  this->sys.before_signal = [this] {
    this->sys.before_signal = nullptr;
    this->channel.finish_wait();
    ASSERT_TRUE(this->channel.prepare_wait());
    this->channel.wake();  // A second waker is faster with its signal.
  };
  ASSERT_TRUE(this->channel.prepare_wait());
  this->channel.wake();
  this->channel.finish_wait();
  const int reads = this->sys.reads;
  EXPECT_FALSE(this->wait(0));
  EXPECT_EQ(this->sys.reads, reads) << "nothing was left to take";
}

TYPED_TEST(ControlChannel, WakesThatRaceWithWaitsAreNeverLost) {
  constexpr int kRounds = 50'000;
  std::counting_semaphore<> turn(0);
  std::atomic<int> wakes = 0;
  std::thread waker([&] {
    Prng prng(1);
    for (int round = 1; round <= kRounds; ++round) {
      turn.acquire();
      dawdle(prng);
      wakes = round;
      this->channel.wake();
    }
  });
  bool woken = true;
  for (int round = 1; round <= kRounds; ++round) {
    turn.release();
    // A wait may end early with the wake of a round that was over already.
    while (wakes < round && woken) woken = this->wait();
  }
  waker.join();
  EXPECT_TRUE(woken);
}

TYPED_TEST(ControlChannel, AReaderThatNeverSleepsCostsNoSignal) {
  std::thread sender([this] {
    for (SocketId id = 1; id <= 50'000; ++id) this->send(StartPacket{.id = id});
  });
  for (std::size_t received = 0; received < 50'000;) received += this->receive().size();
  sender.join();
  EXPECT_EQ(this->sys.signals, 0);
  EXPECT_EQ(this->channel.counters().signals, 0U);
}

// ---- What only one kind promises

using Ring = RingChannel<CountingSys>;

TEST(PipeChannel, ASleeperNeedsNoSignalForAPacket) {
  CountingSys sys;
  auto channel = std::move(*PipeChannel<CountingSys>::create(sys));
  ASSERT_TRUE(channel.prepare_wait());
  ASSERT_TRUE(channel.send(encode(ExitPacket{})).has_value());
  pollfd ready{channel.ready_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 0), 1);
  channel.finish_wait();
  EXPECT_EQ(sys.signals, 0);
  EXPECT_EQ(sys.writes, 1);
}

TEST(PipeChannel, ManyPacketsComeOutOfOneRead) {
  CountingSys sys;
  auto channel = std::move(*PipeChannel<CountingSys>::create(sys));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(channel.send(encode(ExitPacket{})).has_value());
  EXPECT_EQ(channel.receive([](const Packet&) {}, 60), 60U);
  EXPECT_EQ(channel.receive([](const Packet&) {}, 40), 40U);
  EXPECT_FALSE(channel.pending());
  EXPECT_EQ(channel.receive([](const Packet&) {}, 40), 0U);
  EXPECT_EQ(sys.reads, 1);
}

TEST(PipeChannel, AnInterruptedCallIsMadeAgain) {
  CountingSys sys;
  auto channel = std::move(*PipeChannel<CountingSys>::create(sys));
  sys.write_error = EINTR;
  ASSERT_TRUE(channel.send(encode(StartPacket{.id = 1})).has_value());
  EXPECT_EQ(sys.writes, 2);
  const auto receive = [&] { return channel.receive([](const Packet&) {}, kNoLimit); };
  for (const int code : {EINTR, EAGAIN}) {
    sys.read_error = code;
    EXPECT_EQ(receive(), 0U);
    EXPECT_TRUE(channel.pending());
  }
  EXPECT_EQ(receive(), 1U);
  EXPECT_FALSE(channel.pending());
}

TEST(PipeChannel, AWriteThatFailsIsToldToItsSenderAndAwaitedByNobody) {
  CountingSys sys;
  auto channel = std::move(*PipeChannel<CountingSys>::create(sys));
  sys.write_error = EIO;
  EXPECT_EQ(channel.send(encode(StartPacket{.id = 1})).error(), std::errc::io_error);
  EXPECT_FALSE(channel.pending());
  EXPECT_TRUE(channel.prepare_wait());
  channel.finish_wait();
}

TEST(PipeChannel, ShutEndsWhenThePipeCannotBeReadAnyMore) {
  CountingSys sys;
  auto channel = std::move(*PipeChannel<CountingSys>::create(sys));
  ASSERT_TRUE(channel.send(encode(StartPacket{.id = 1})).has_value());
  sys.read_error = EIO;
  EXPECT_EQ(channel.receive([](const Packet&) {}, kNoLimit), 0U);
  sys.read_error = EIO;
  channel.shut();
  EXPECT_EQ(channel.send(encode(StartPacket{.id = 2})).error(), std::errc::broken_pipe);
}

TEST(RingChannel, ItsSizeIsAPowerOfTwoWithinLimits) {
  CountingSys sys;
  for (const std::size_t bytes : {std::size_t{0}, Ring::kRingBytesMin / 2, Ring::kRingBytesMin + 1,
                                  Ring::kRingBytesMin + 8, 2 * Ring::kRingBytesMax}) {
    EXPECT_EQ(Ring::create(sys, bytes).error(), std::errc::invalid_argument) << bytes;
  }
  EXPECT_TRUE(Ring::create(sys, Ring::kRingBytesMin).has_value());
}

TEST(RingChannel, NoSystemCallIsMadeWhileNobodySleeps) {
  CountingSys sys;
  auto channel = std::move(*Ring::create(sys));
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(channel.send(encode(ExitPacket{})).has_value());
  EXPECT_EQ(channel.receive([](const Packet&) {}, kNoLimit), 1'000U);
  EXPECT_EQ(sys.reads + sys.writes + sys.signals, 0);
}

TEST(RingChannel, ASleeperIsSignalledOnceForManyPackets) {
  CountingSys sys;
  auto channel = std::move(*Ring::create(sys));
  ASSERT_TRUE(channel.prepare_wait());
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(channel.send(encode(ExitPacket{})).has_value());
  channel.finish_wait();
  EXPECT_EQ(sys.signals, 1);
  EXPECT_EQ(sys.reads, 1);
  EXPECT_EQ(channel.counters().signals, 1U);
  pollfd ready{channel.ready_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 0), 0) << "the signal was not taken";
}

TEST(RingChannel, AWaitThatNobodyEndedCostsNoRead) {
  CountingSys sys;
  auto channel = std::move(*Ring::create(sys));
  ASSERT_TRUE(channel.prepare_wait());
  channel.finish_wait();
  EXPECT_EQ(sys.reads, 0);
}

TEST(RingChannel, EverySizeOfPieceSurvivesTheEndOfTheRing) {
  CountingSys sys;
  auto channel = std::move(*Ring::create(sys, kSmallRing));
  std::vector<std::byte> piece;
  std::size_t count = 0;
  for (std::size_t length = 0; length <= kPacketPayloadBytesMax; ++length) {
    piece.assign(kPacketHeaderBytes + length, std::byte{0xFF});  // What is left behind shows.
    piece[1] = static_cast<std::byte>(length);
    const auto is_as_sent = [&](const Packet& packet) { EXPECT_EQ(packet, decode(piece)); };
    for (std::size_t sent = 0; sent < 3 * kSmallRing; sent += piece.size()) {
      ASSERT_TRUE(channel.send_bytes(piece).has_value());
      count += channel.receive(is_as_sent, kNoLimit);
      ASSERT_FALSE(channel.pending()) << "length " << length << ", " << sent << " bytes";
    }
  }
  EXPECT_GT(count, 256U * 3 * kSmallRing / kPacketBytesMax);
}

TEST(RingChannel, TheLargestPieceAlwaysFitsWhenAllWasRead) {
  CountingSys sys;
  auto channel = std::move(*Ring::create(sys, kSmallRing));
  const std::vector<std::byte> piece(kPieceBytesMax, std::byte{0});  // 2048 packets, all malformed.
  for (std::size_t before = 0; before < 2'000; ++before) {
    ASSERT_TRUE(channel.send(encode(StartPacket{.id = 1})).has_value());
    ASSERT_EQ(channel.receive([](const Packet&) {}, kNoLimit), 1U);
    if (before % 7 != 0) continue;
    ASSERT_TRUE(channel.send_bytes(piece).has_value());
    ASSERT_EQ(channel.receive([](const Packet&) {}, kNoLimit), kPieceBytesMax / 2);
  }
  EXPECT_EQ(channel.counters().full_waits, 0U);
}

TEST(RingChannel, ASleepingReaderLeavesTheWholeRingFree) {
  CountingSys sys;
  auto channel = std::move(*Ring::create(sys, kSmallRing));
  const EncodedPacket packet = encode(SendPacket{.id = 1});
  for (int before = 0; before < 300; ++before) {
    ASSERT_TRUE(channel.send(packet).has_value());
    ASSERT_EQ(channel.receive([](const Packet&) {}, kNoLimit), 1U);
    ASSERT_TRUE(channel.prepare_wait());
    channel.finish_wait();
    // 24 bytes of ring each. One more would block this thread for ever.
    for (std::size_t i = 0; i < kSmallRing / 24; ++i) ASSERT_TRUE(channel.send(packet).has_value());
    ASSERT_EQ(channel.receive([](const Packet&) {}, kNoLimit), kSmallRing / 24);
    ASSERT_TRUE(channel.prepare_wait());
    channel.finish_wait();
  }
  EXPECT_EQ(channel.counters().full_waits, 0U);
}

TEST(RingChannel, ASendThatWaitsForRoomIsCounted) {
  CountingSys sys;
  auto channel = std::move(*Ring::create(sys, kSmallRing));
  constexpr std::size_t kPackets = kSmallRing / 24 + 1;
  std::thread sender([&] {
    for (std::size_t i = 0; i < kPackets; ++i) {
      ASSERT_TRUE(channel.send(encode(SendPacket{.id = 1})).has_value());
    }
  });
  while (channel.counters().full_waits == 0) std::this_thread::yield();
  std::size_t received = 0;
  while (received < kPackets) received += channel.receive([](const Packet&) {}, kNoLimit);
  sender.join();
  EXPECT_EQ(channel.counters().full_waits, 1U) << "only the last one waited, however long";
}

}  // namespace
}  // namespace skysock
