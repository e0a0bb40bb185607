// Does every server count, compare and stream what it promises, and keep its memory when a peer
// does not read? Datagrams, too.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <thread>

#include "bench/load/pattern.hpp"
#include "bench/peers/listener.hpp"
#include "bench/peers/test_client.hpp"
#include "bench/peers/test_modes.hpp"
#include "bench/stream/stream_load.hpp"
#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock::bench {
namespace {

using load::Fd;

class Sink : public ModeTest {
 protected:
  Sink() : ModeTest("sink") {}
};
INSTANTIATE_TEST_SUITE_P(Servers, Sink, kPrograms, name_of);

TEST_P(Sink, CountsAndComparesEveryByte) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4'097}, kStreamMessageBytesMax}) {
    auto load =
        StreamLoad::open({.port = port(), .connections = 3, .bytes = bytes, .batch_messages = 11});
    ASSERT_TRUE(load) << load.error();
    for (int batch = 0; batch < 3; ++batch) {
      const auto done = load->run();
      ASSERT_TRUE(done) << done.error();
    }
  }
}

SinkReport read_report(const Fd& client) {
  SinkReport report;
  const auto bytes = read_bytes(client, sizeof report);
  EXPECT_EQ(bytes.size(), sizeof report);
  if (bytes.size() == sizeof report) std::memcpy(&report, bytes.data(), sizeof report);
  return report;
}

/// Header and first bytes in one: the header may end anywhere in what is read.
void begin_stream(const Fd& client, const SinkHeader& header, std::span<const std::byte> bytes) {
  std::vector<std::byte> all(sizeof header);
  std::memcpy(all.data(), &header, sizeof header);
  all.insert(all.end(), bytes.begin(), bytes.end());
  send_all(client, std::span(all).first(9));
  send_all(client, std::span(all).subspan(9));
}

TEST_P(Sink, TheFirstWrongByteIsNamed) {
  for (const std::size_t wrong :
       {std::size_t{0}, std::size_t{4'092}, std::size_t{4'093}, std::size_t{29'999}}) {
    const Fd client = connect_narrow(port());
    const auto right = stream_bytes(17, 30'000);
    std::vector<std::byte> bytes(right.begin(), right.end());
    bytes[wrong] ^= std::byte{1};
    bytes.back() ^= std::byte{2};  // Only the first one counts.
    begin_stream(client, {.pattern_offset = 17, .report_every = 30'000}, bytes);
    const SinkReport report = read_report(client);
    EXPECT_EQ(report.bytes, 30'000U);
    EXPECT_EQ(report.wrong_at, wrong);
  }
}

TEST_P(Sink, ReportsAreDueAtEachMultipleAndNotBefore) {
  const Fd client = connect_narrow(port());
  begin_stream(client, {.pattern_offset = 4'000, .report_every = 1'000}, stream_bytes(4'000, 999));
  EXPECT_EQ(recv(client.get(), nullptr, 0, MSG_DONTWAIT | MSG_TRUNC), -1);
  send_all(client, stream_bytes(4'999, 1));
  EXPECT_EQ(read_report(client).bytes, 1'000U);
  send_all(client, stream_bytes(5'000, 1'000));
  const SinkReport report = read_report(client);
  EXPECT_EQ(report.bytes, 2'000U);
  EXPECT_EQ(report.wrong_at, SinkReport::kNothingWrong);
  EXPECT_GE(report.chunks, 2U);
  EXPECT_EQ(shutdown(client.get(), SHUT_WR), 0);
  EXPECT_EQ(read_text(client, 1), "");
}

class Source : public ModeTest {
 protected:
  Source() : ModeTest("source") {}

  [[nodiscard]] std::size_t resident_bytes() const {
    std::ifstream file("/proc/" + std::to_string(pid()) + "/statm");
    std::size_t whole = 0;
    std::size_t pages = 0;
    file >> whole >> pages;
    return pages * 4'096;
  }
};
INSTANTIATE_TEST_SUITE_P(Servers, Source, kPrograms, name_of);

void expect_stream(const Fd& client, std::uint64_t from, std::uint64_t bytes) {
  for (std::uint64_t at = from; at < from + bytes; at += 50'000) {
    const auto want = stream_bytes(at, 50'000);
    const auto got = read_bytes(client, 50'000);
    ASSERT_TRUE(std::ranges::equal(got, want)) << "behind byte " << at;
  }
}

TEST_P(Source, SendsThePatternToEveryPeer) {
  const Fd first = connect_narrow(port());
  const Fd second = connect_narrow(port());
  for (std::uint64_t at = 0; at < 4'000'000; at += 1'000'000) {
    expect_stream(first, at, 1'000'000);
    expect_stream(second, at, 1'000'000);
  }
}

TEST_P(Source, APeerThatDoesNotReadTakesNoMoreMemoryAndLosesNothing) {
  const Fd silent = connect_narrow(port());
  const Fd reader = connect_narrow(port());
  expect_stream(silent, 0, 50'000);
  expect_stream(reader, 0, 4'000'000);
  const std::size_t before = resident_bytes();
  ASSERT_GT(before, 0U);
  expect_stream(reader, 4'000'000, 12'000'000);
  EXPECT_LT(resident_bytes(), before + (24U << 20U));
  expect_stream(silent, 50'000, 4'000'000);
}

TEST_P(Source, PeersThatLeaveEndOnlyTheirOwnStream) {
  const Fd stays = connect_narrow(port());
  for (int round = 0; round < 10; ++round) expect_stream(connect_narrow(port()), 0, 50'000);
  expect_stream(stays, 0, 1'000'000);
}

class UdpEcho : public ModeTest {
 protected:
  UdpEcho() : ModeTest("udp_echo") {}

  [[nodiscard]] Fd dial() const {
    Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const auto target = load::resolve("127.0.0.1", port()).value();
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&target.address), target.length),
              0);
    return fd;
  }
};
INSTANTIATE_TEST_SUITE_P(Servers, UdpEcho, kPrograms, name_of);

void send_and_expect(const Fd& client, std::uint64_t seed, std::size_t size) {
  std::vector<std::byte> sent(size);
  load::fill_pattern({.seed = seed}, 0, sent);
  ASSERT_EQ(send(client.get(), sent.data(), size, 0), static_cast<ssize_t>(size));
  std::vector<std::byte> got(65'536);
  const ssize_t count = recv(client.get(), got.data(), got.size(), 0);
  ASSERT_EQ(count, static_cast<ssize_t>(size));
  got.resize(size);
  EXPECT_TRUE(got == sent);
}

TEST_P(UdpEcho, EveryDatagramGoesBackToItsSender) {
  const Fd first = dial();
  const Fd second = dial();
  for (const std::size_t size : {1U, 64U, 1'400U, 4'097U, 65'507U}) {
    for (int turn = 0; turn < 10; ++turn) {
      send_and_expect(first, 1, size);
      send_and_expect(second, 2, size);
    }
  }
}

// All that a default receive buffer holds: none may be lost, and datagrams keep their bounds.
TEST_P(UdpEcho, ManyInFlightAreAllAnswered) {
  const Fd client = dial();
  constexpr int kDatagrams = 50;
  for (int round = 0; round < 20; ++round) {
    for (int at = 0; at < kDatagrams; ++at) {
      const std::string text(static_cast<std::size_t>(at + 1), static_cast<char>('0' + at));
      ASSERT_EQ(send(client.get(), text.data(), text.size(), 0), std::ssize(text));
    }
    std::vector<bool> seen(kDatagrams);
    for (int at = 0; at < kDatagrams; ++at) {
      std::array<char, 1'000> got{};
      const ssize_t count = recv(client.get(), got.data(), got.size(), 0);
      ASSERT_GT(count, 0) << at << " datagrams came back";
      ASSERT_LE(count, kDatagrams);
      EXPECT_EQ(std::count(got.begin(), got.end(), static_cast<char>('0' + count - 1)), count);
      seen[static_cast<std::size_t>(count - 1)] = true;
    }
    EXPECT_EQ(std::ranges::count(seen, true), kDatagrams);
  }
}

// The error that an answer to nobody comes back as may cost the answer behind it: a server that
// asks for such errors gets them from its next send. So the client sends again, as such clients do.
TEST_P(UdpEcho, ASenderThatIsGoneHoldsNobodyUp) {
  const Fd stays = dial();
  const timeval limit{.tv_sec = 0, .tv_usec = 200'000};
  setsockopt(stays.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  for (int round = 0; round < 20; ++round) {
    const Fd leaves = dial();
    ASSERT_EQ(send(leaves.get(), "x", 1, 0), 1);
  }
  char byte = 0;
  int tries = 0;
  do {
    ASSERT_EQ(send(stays.get(), "y", 1, 0), 1);
    ASSERT_LT(++tries, 50) << "no answer within 10 s";
  } while (recv(stays.get(), &byte, 1, 0) != 1);
  EXPECT_EQ(byte, 'y');
}

}  // namespace
}  // namespace skysock::bench
