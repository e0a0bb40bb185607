// Does every server give each subscriber all that is published from then on, in order, whatever
// other connections do?

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>

#include "bench/load/pattern.hpp"
#include "bench/peers/test_client.hpp"
#include "bench/peers/test_modes.hpp"
#include "core/base/broadcast_role.hpp"

namespace skysock::bench {
namespace {

using load::Fd;
using testing::HasSubstr;

class Broadcast : public ModeTest {
 protected:
  Broadcast() : ModeTest("broadcast") {}

  /// A connection that the server knows to be in that role.
  [[nodiscard]] Fd join(char role) const {
    Fd fd = connect_narrow(port());
    send_all(fd, bytes_of({&role, 1}));
    EXPECT_EQ(read_text(fd, 1), std::string(1, role));
    return fd;
  }
};
INSTANTIATE_TEST_SUITE_P(Servers, Broadcast, kPrograms, name_of);

std::vector<std::byte> pattern(std::size_t bytes) {
  std::vector<std::byte> all(bytes);
  load::fill_pattern({.seed = 11}, 0, all);
  return all;
}

// All of it together stays below what may wait for a subscriber, so none is cut off.
TEST_P(Broadcast, EverySubscriberGetsEveryByteInOrder) {
  const auto bytes = pattern(3'000'000);
  std::vector<Fd> subscribers;
  for (int count = 0; count < 5; ++count) subscribers.push_back(join('s'));
  const Fd publisher = join('p');
  send_all(publisher, bytes);
  for (const Fd& subscriber : subscribers) {
    EXPECT_TRUE(read_bytes(subscriber, bytes.size()) == bytes);
  }
}

TEST_P(Broadcast, WhatComesTogetherWithTheFirstByteIsPublished) {
  const Fd subscriber = join('s');
  const Fd publisher = connect_narrow(port());
  send_all(publisher, bytes_of("phello"));
  EXPECT_EQ(read_text(publisher, 1), "p");
  EXPECT_EQ(read_text(subscriber, 5), "hello");
}

TEST_P(Broadcast, PublishersInTurnKeepTheirOrder) {
  const Fd subscriber = join('s');
  const Fd first = join('p');
  const Fd second = join('p');
  for (int turn = 0; turn < 20; ++turn) {
    send_all(first, bytes_of("a"));
    EXPECT_EQ(read_text(subscriber, 1), "a");
    send_all(second, bytes_of("b"));
    EXPECT_EQ(read_text(subscriber, 1), "b");
  }
}

TEST_P(Broadcast, ALaterSubscriberGetsWhatIsPublishedLater) {
  const Fd early = join('s');
  const Fd publisher = join('p');
  send_all(publisher, bytes_of("one"));
  EXPECT_EQ(read_text(early, 3), "one");
  const Fd late = join('s');
  send_all(publisher, bytes_of("two"));
  EXPECT_EQ(read_text(early, 3), "two");
  EXPECT_EQ(read_text(late, 3), "two");
}

TEST_P(Broadcast, AProbeGetsItsByteBackAndNothingMore) {
  const Fd probe = join('a');
  const Fd subscriber = join('s');
  const Fd publisher = join('p');
  send_all(probe, bytes_of("ignored"));
  send_all(subscriber, bytes_of("ignored"));
  send_all(publisher, bytes_of("news"));
  EXPECT_EQ(read_text(subscriber, 4), "news");
  for (const Fd* client : {&probe, &publisher, &subscriber}) {
    EXPECT_EQ(shutdown(client->get(), SHUT_WR), 0);
    EXPECT_EQ(read_text(*client, 1), "") << "expected nothing but the end";
  }
}

TEST_P(Broadcast, ConnectionsThatEndAreForgotten) {
  const Fd stays = join('s');
  const Fd publisher = join('p');
  for (int round = 0; round < 20; ++round) {
    const Fd leaves = join('s');
    const Fd other_publisher = join('p');
    const Fd rude = join('s');
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(rude.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    send_all(other_publisher, bytes_of("x"));
    EXPECT_EQ(read_text(stays, 1), "x");
  }
  for (int round = 0; round < 5; ++round) {
    send_all(publisher, bytes_of("still here"));
    EXPECT_EQ(read_text(stays, 10), "still here");
  }
}

// The one that reads paces the publisher, so that it is never far behind.
TEST_P(Broadcast, ASubscriberThatDoesNotReadIsClosedAndHoldsNobodyUp) {
  constexpr std::size_t kPart = 262'144;
  constexpr std::size_t kParts = 128;
  const auto part = pattern(kPart);
  const Fd silent = join('s');
  const Fd reader = join('s');
  const Fd publisher = join('p');
  for (std::size_t count = 0; count < kParts; ++count) {
    std::jthread writer([&] { send_all(publisher, part); });
    ASSERT_TRUE(read_bytes(reader, kPart) == part) << "part " << count;
  }
  const std::vector<std::byte> got = read_bytes(silent, kParts * kPart);
  EXPECT_LT(got.size(), kSubscriberBytesMax + (kParts * kPart) / 2) << "it has to be cut off";
  for (std::size_t at = 0; at < got.size(); ++at) {
    ASSERT_EQ(got[at], part[at % kPart]) << "byte " << at << " of a stream that may only end early";
  }
  char byte = 0;
  const ssize_t end = recv(silent.get(), &byte, 1, 0);
  EXPECT_TRUE(end == 0 || (end < 0 && errno == ECONNRESET)) << load::errno_text(errno);
  send_all(publisher, part);
  EXPECT_TRUE(read_bytes(reader, kPart) == part);
}

TEST(BroadcastScript, HasTheLimitOfTheOthers) {
  std::ifstream file(std::string(SKYSOCK_SOURCE_DIR) + "/" + kLua + "/broadcast.lua");
  const std::string script{std::istreambuf_iterator<char>(file), {}};
  static_assert(kSubscriberBytesMax % (1 << 20) == 0);
  EXPECT_THAT(script,
              HasSubstr(fmt::format("\nlocal LIMIT = {} << 20\n", kSubscriberBytesMax >> 20)));
}

}  // namespace
}  // namespace skysock::bench
