// Does the oracle pass exactly the streams that are right, and does it name what is wrong with the
// others? No sockets here: a stream is a list of spans and an end.

#include "stress/ledger.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace skysock::stress {
namespace {

constexpr std::uint64_t kSeed = 9;
constexpr std::uint64_t kConnection = connection_number(3, 17);
const std::error_code kEof{};

class LedgerTest : public testing::Test {
 protected:
  std::vector<std::byte> echo(std::size_t size) const {
    std::vector<std::byte> bytes(size);
    Pattern(kSeed, kConnection).fill(0, bytes);
    return bytes;
  }

  /// A connection that has sent `size` bytes and then stopped.
  void send(std::size_t size, Ending ending) {
    ledger_.sent(size);
    ledger_.finished_sending(ending);
  }

  void expect_counted_once(const std::optional<Finding>& finding, FailureKind kind,
                           std::uint64_t offset) const {
    ASSERT_TRUE(finding.has_value());
    EXPECT_EQ(name_of(finding->kind), name_of(kind));
    EXPECT_EQ(finding->connection, kConnection);
    EXPECT_EQ(finding->offset, offset);
    EXPECT_EQ(totals_.count(kind), 1U);
    EXPECT_EQ(totals_.failure_count(), 1U);
    EXPECT_EQ(totals_.connections_completed, 0U);
  }

  Totals totals_;
  ConnectionLedger ledger_{kSeed, kConnection, totals_};
};

TEST_F(LedgerTest, EveryByteThenEofCompletesAHalfClose) {
  send(1000, Ending::half_close);
  EXPECT_FALSE(ledger_.received(echo(1000)));
  EXPECT_FALSE(ledger_.stream_ended(kEof));
  EXPECT_EQ(totals_.connections_completed, 1U);
  EXPECT_EQ(totals_.half_closes_completed, 1U);
  EXPECT_EQ(totals_.bytes_sent, 1000U);
  EXPECT_EQ(totals_.bytes_verified, 1000U);
  EXPECT_EQ(totals_.failure_count(), 0U);
}

TEST_F(LedgerTest, EveryByteThenOurCloseCompletesADrain) {
  send(1000, Ending::drain_then_close);
  EXPECT_FALSE(ledger_.received(echo(1000)));
  ledger_.closed();
  EXPECT_EQ(totals_.connections_completed, 1U);
  EXPECT_EQ(totals_.half_closes_completed, 0U);
}

TEST(Ledger, AcceptsTheStreamCutAnywhere) {
  constexpr std::size_t kBytes = 64;
  std::vector<std::byte> bytes(kBytes);
  Pattern(kSeed, kConnection).fill(0, bytes);
  const std::span<const std::byte> all(bytes);
  for (std::size_t cut = 0; cut <= kBytes; ++cut) {
    Totals totals;
    ConnectionLedger ledger(kSeed, kConnection, totals);
    ledger.sent(kBytes);
    EXPECT_FALSE(ledger.received(all.first(cut)));
    EXPECT_EQ(ledger.all_back(), cut == kBytes);
    EXPECT_FALSE(ledger.received(all.subspan(cut)));
    EXPECT_TRUE(ledger.all_back());
  }
}

TEST_F(LedgerTest, AChangedByteIsAMismatchThatNamesBothBytes) {
  ledger_.sent(1000);
  auto bytes = echo(1000);
  bytes[700] ^= std::byte{0x10};
  EXPECT_FALSE(ledger_.received(std::span(bytes).first(600)));
  const auto finding = ledger_.received(std::span(bytes).subspan(600));
  expect_counted_once(finding, FailureKind::mismatch, 700);
  EXPECT_EQ(finding->expected, Pattern(kSeed, kConnection).byte_at(700));
  EXPECT_EQ(finding->got, *finding->expected ^ 0x10U);
  EXPECT_EQ(finding->detail, "the bytes after it are right again");
  EXPECT_EQ(totals_.bytes_verified, 700U);
}

TEST_F(LedgerTest, AGapIsAMismatchThatNamesWhereTheBytesBelong) {
  ledger_.sent(1000);
  auto bytes = echo(1000);
  bytes.erase(bytes.begin() + 300, bytes.begin() + 350);
  const auto finding = ledger_.received(bytes);
  expect_counted_once(finding, FailureKind::mismatch, 300);
  EXPECT_NE(finding->detail.find("data of offset 350 (bytes left out"), std::string::npos)
      << finding->detail;
}

TEST_F(LedgerTest, ARepetitionIsAMismatchThatNamesWhereTheBytesBelong) {
  ledger_.sent(1000);
  auto bytes = echo(1000);
  const auto again = echo(1000);
  bytes.insert(bytes.begin() + 300, again.begin() + 200, again.begin() + 300);
  const auto finding = ledger_.received(std::span(bytes).first(1000));
  expect_counted_once(finding, FailureKind::mismatch, 300);
  EXPECT_NE(finding->detail.find("data of offset 200 (bytes repeated)"), std::string::npos)
      << finding->detail;
}

TEST_F(LedgerTest, BytesOfAnotherConnectionAreAMismatch) {
  ledger_.sent(100);
  std::vector<std::byte> bytes(100);
  Pattern(kSeed, kConnection + 1).fill(0, bytes);
  const auto finding = ledger_.received(bytes);
  ASSERT_TRUE(finding.has_value());
  EXPECT_EQ(finding->kind, FailureKind::mismatch);
  EXPECT_NE(finding->detail.find("not data of this connection"), std::string::npos);
}

TEST_F(LedgerTest, EofBeforeTheLastByteIsALossAtTheFirstMissingOffset) {
  send(1000, Ending::half_close);
  EXPECT_FALSE(ledger_.received(echo(999)));
  const auto finding = ledger_.stream_ended(kEof);
  expect_counted_once(finding, FailureKind::loss, 999);
  EXPECT_EQ(finding->detail, "end of stream with 1 of 1000 bytes not back");
}

TEST_F(LedgerTest, AResetBeforeTheLastByteIsALoss) {
  send(1000, Ending::drain_then_close);
  EXPECT_FALSE(ledger_.received(echo(10)));
  expect_counted_once(ledger_.stream_ended(std::make_error_code(std::errc::connection_reset)),
                      FailureKind::loss, 10);
}

TEST_F(LedgerTest, AResetInPlaceOfTheDueEofIsALoss) {
  send(10, Ending::half_close);
  EXPECT_FALSE(ledger_.received(echo(10)));
  expect_counted_once(ledger_.stream_ended(std::make_error_code(std::errc::connection_reset)),
                      FailureKind::loss, 10);
}

TEST_F(LedgerTest, EofWhileTheClientStillSendsIsALossEvenWithAllBytesBack) {
  ledger_.sent(10);
  EXPECT_FALSE(ledger_.received(echo(10)));
  expect_counted_once(ledger_.stream_ended(kEof), FailureKind::loss, 10);
}

TEST_F(LedgerTest, EofInADrainIsALossEvenWithAllBytesBack) {
  send(10, Ending::drain_then_close);
  EXPECT_FALSE(ledger_.received(echo(10)));
  expect_counted_once(ledger_.stream_ended(kEof), FailureKind::loss, 10);
}

TEST_F(LedgerTest, OneByteMoreThanWasSentIsExtraAtTheEnd) {
  send(10, Ending::half_close);
  const auto finding = ledger_.received(echo(11));
  expect_counted_once(finding, FailureKind::extra, 10);
  EXPECT_EQ(totals_.bytes_verified, 10U);
}

TEST_F(LedgerTest, AMismatchIsReportedBeforeTheExtraBytesBehindIt) {
  ledger_.sent(10);
  auto bytes = echo(11);
  bytes[4] ^= std::byte{1};
  expect_counted_once(ledger_.received(bytes), FailureKind::mismatch, 4);
}

TEST_F(LedgerTest, AHangNamesTheFirstMissingOffset) {
  send(10, Ending::half_close);
  EXPECT_FALSE(ledger_.received(echo(4)));
  const Finding finding = ledger_.hung("the echo", 2.5);
  expect_counted_once(finding, FailureKind::hang, 4);
  EXPECT_EQ(finding.detail, "waited 2.5 s for the echo; 6 of 10 bytes not back");
}

TEST_F(LedgerTest, ARefusedConnectIsCounted) {
  expect_counted_once(ledger_.refused("Connection refused"), FailureKind::refused, 0);
}

TEST_F(LedgerTest, ClosingBeforeEveryByteIsBackIsAProgrammerError) {
  send(10, Ending::drain_then_close);
  EXPECT_DEATH(ledger_.closed(), "check failed");
}

TEST_F(LedgerTest, SendingAfterTheEndIsAProgrammerError) {
  send(10, Ending::half_close);
  EXPECT_DEATH(ledger_.sent(1), "check failed");
}

TEST(Totals, AddSumsEveryField) {
  Totals a;
  a.connections_started = 1;
  a.connections_completed = 2;
  a.half_closes_completed = 3;
  a.bytes_sent = 4;
  a.bytes_verified = 5;
  a.failures = {1, 2, 3, 4, 5, 6, 7};
  Totals b = a;
  b.add(a);
  EXPECT_EQ(b.connections_started, 2U);
  EXPECT_EQ(b.connections_completed, 4U);
  EXPECT_EQ(b.half_closes_completed, 6U);
  EXPECT_EQ(b.bytes_sent, 8U);
  EXPECT_EQ(b.bytes_verified, 10U);
  EXPECT_EQ(b.failure_count(), 56U);
}

TEST(FailureKind, NamesLeadBackToTheirKind) {
  for (std::size_t i = 0; i < kFailureKinds; ++i) {
    const auto kind = static_cast<FailureKind>(i);
    EXPECT_EQ(failure_kind_named(name_of(kind)), kind);
  }
  EXPECT_FALSE(failure_kind_named("mismatches").has_value());
}

TEST(ConnectionNumber, IsUniqueOverClients) {
  EXPECT_NE(connection_number(0, 1), connection_number(1, 0));
  EXPECT_EQ(connection_number(2, 17), 8589934609U);
}

}  // namespace
}  // namespace skysock::stress
