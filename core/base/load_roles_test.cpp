// Do all servers get the same roles of a broadcast and the same orders of a connect load, however
// the bytes are cut? Leaves out the I/O, which is each server's own.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/broadcast_role.hpp"
#include "core/base/connect_order.hpp"

namespace skysock {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(BroadcastRole, TheFirstByteDecidesWhereverTheStreamIsCut) {
  const std::string_view stream = "pabc";
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    BroadcastRole role = BroadcastRole::unknown;
    std::string answers;
    std::string published;
    for (const auto part : {stream.substr(0, cut), stream.substr(cut)}) {
      const BroadcastInput input = take_broadcast(role, bytes_of(part));
      if (input.answer) answers.push_back(static_cast<char>(*input.answer));
      published.append(reinterpret_cast<const char*>(input.published.data()),
                       input.published.size());
    }
    EXPECT_EQ(role, BroadcastRole::publisher);
    EXPECT_EQ(answers, "p") << "cut at " << cut;
    EXPECT_EQ(published, "abc") << "cut at " << cut;
  }
}

TEST(BroadcastRole, WhatSubscribersAndProbesSendLaterIsDropped) {
  for (const auto& [first, wanted] :
       {std::pair{'s', BroadcastRole::subscriber}, std::pair{'a', BroadcastRole::probe},
        std::pair{'\0', BroadcastRole::probe}}) {
    BroadcastRole role = BroadcastRole::unknown;
    const BroadcastInput input = take_broadcast(role, bytes_of(std::string{first, 'p', 'x'}));
    EXPECT_EQ(role, wanted);
    EXPECT_EQ(input.answer, static_cast<std::byte>(first));
    EXPECT_TRUE(input.published.empty());
    EXPECT_FALSE(take_broadcast(role, bytes_of("p")).answer);
  }
}

TEST(ConnectOrder, AWholeLineIsRead) {
  const auto order = parse_connect_order("127.0.0.2 8001 1000000000 10000");
  ASSERT_TRUE(order) << order.error();
  EXPECT_EQ(order->host, "127.0.0.2");
  EXPECT_EQ(order->port, 8001);
  EXPECT_EQ(order->count, 1'000'000'000U);
  EXPECT_EQ(order->in_flight, 10'000U);
  EXPECT_EQ(ntohl(order->address().sin_addr.s_addr), 0x7F000002U);
  EXPECT_EQ(ntohs(order->address().sin_port), 8001);
}

TEST(ConnectOrder, WhatIsWrongIsQuotedOnOneLine) {
  using std::string_literals::operator""s;
  for (const std::string& line :
       {""s, "moon"s, "localhost 1 1 1"s, "::1 1 1 1"s, "127.0.0.1 0 1 1"s, "127.0.0.1 65536 1 1"s,
        "127.0.0.1 1 0 1"s, "127.0.0.1 1 1000000001 1"s, "127.0.0.1 1 1 0"s, "127.0.0.1 1 1 10001"s,
        "127.0.0.1 1 1 1 1"s, "127.0.0.1 1 1 "s, "127.0.0.1  1 1 1"s, "127.0.0.1 -1 1 1"s,
        "127.0.0.1 1 18446744073709551617 1"s, "127.0.0.1\0 1 1 1"s, "127.0.0.1 1 1 1\r"s}) {
    const auto order = parse_connect_order(line);
    ASSERT_FALSE(order) << line;
    EXPECT_EQ(order.error().find("order '"), 0U) << order.error();
    EXPECT_NE(order.error().find("expected HOST PORT COUNT IN_FLIGHT"), std::string::npos);
    EXPECT_EQ(order.error().find_first_of("\r\n\0"s), std::string::npos);
  }
}

TEST(ConnectAnswer, IsOneByteAndTheEnd) {
  ConnectAnswer right;
  EXPECT_EQ(right.feed({}), "");
  EXPECT_NE(right.end(), "");
  EXPECT_EQ(right.feed(bytes_of("c")), "");
  EXPECT_EQ(right.end(), "");
  EXPECT_NE(right.feed(bytes_of("c")), "");
  EXPECT_NE(ConnectAnswer().feed(bytes_of("x")), "");
  EXPECT_NE(ConnectAnswer().feed(bytes_of("cc")), "");
}

TEST(ConnectSession, KeepsNoMoreConnectionsInFlightThanOrdered) {
  ConnectSession session;
  session.feed(bytes_of("127.0.0.1 1 3 2\n"));
  EXPECT_TRUE(session.begin());
  EXPECT_TRUE(session.begin());
  EXPECT_FALSE(session.begin());
  session.closed();
  EXPECT_TRUE(session.begin());
  EXPECT_FALSE(session.begin());
  session.closed();
  EXPECT_FALSE(session.begin());
  EXPECT_EQ(session.take_replies(), "");
  session.closed();
  EXPECT_EQ(session.take_replies(), "done 3\n");
  EXPECT_FALSE(session.begin());
}

TEST(ConnectSession, OrdersFollowEachOtherWhereverTheyAreCut) {
  const std::string_view text = "127.0.0.1 1 1 1\nmoon\n127.0.0.2 2 2 1\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    ConnectSession session;
    std::string replies;
    for (const auto part : {text.substr(0, cut), text.substr(cut)}) {
      session.feed(bytes_of(part));
      while (session.begin()) session.closed();
      replies += session.take_replies();
    }
    EXPECT_EQ(replies.find("done 1\nfailed: order 'moon': expected"), 0U) << replies;
    EXPECT_TRUE(replies.ends_with("\ndone 2\n")) << replies;
  }
}

TEST(ConnectSession, AFailureGivesTheOrderUpAndTheNextOneHasAnotherNumber) {
  ConnectSession session;
  session.feed(bytes_of("127.0.0.1 7 9 5\n127.0.0.2 8 1 1\n"));
  EXPECT_TRUE(session.begin());
  const auto first = session.number();
  session.fail("Connection refused");
  EXPECT_NE(session.number(), first);
  EXPECT_EQ(session.take_replies(), "failed: 127.0.0.1:7: Connection refused\n");
  EXPECT_TRUE(session.begin());
  EXPECT_EQ(session.order().host, "127.0.0.2");
  EXPECT_NE(session.number(), first);
  session.closed();
  EXPECT_EQ(session.take_replies(), "done 1\n");
}

TEST(ConnectSession, MoreOrdersThanMayWaitAreDroppedAndAnswered) {
  ConnectSession session;
  session.feed(bytes_of(std::string(ConnectSession::kWaitingBytesMax, 'x')));
  EXPECT_FALSE(session.begin());
  EXPECT_EQ(session.take_replies(), "");
  session.feed(bytes_of("x"));
  EXPECT_EQ(session.take_replies(), "failed: more than 4096 bytes of orders wait\n");
  session.feed(bytes_of("127.0.0.1 1 1 1\n"));
  EXPECT_TRUE(session.begin());
}

}  // namespace
}  // namespace skysock
