#include "stress/ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/base/check.hpp"

namespace skysock::stress {
namespace {

constexpr std::array<std::string_view, kFailureKinds> kNames = {
    "mismatch", "loss", "extra", "refused", "hang", "server", "client"};

/// Fewer bytes than this could be found somewhere in a stream by chance.
constexpr std::size_t kProofBytes = 8;
/// How far behind and ahead of the mismatch its bytes are looked for: a bound on the search.
constexpr std::uint64_t kSearchBytes = 4U << 20U;

/// Where in [begin, end) of the stream `bytes` belong, if anywhere.
std::optional<std::uint64_t> find_in_stream(const Pattern& pattern, std::uint64_t begin,
                                            std::uint64_t end, std::span<const std::byte> bytes) {
  for (std::uint64_t offset = begin; offset < end; ++offset) {
    if (!pattern.first_difference(offset, bytes)) return offset;
  }
  return std::nullopt;
}

/// What kind of damage it looks like: a changed byte, or data that belongs elsewhere. `bytes` begin
/// at the mismatch.
std::string describe_damage(const Pattern& pattern, std::uint64_t offset, std::uint64_t sent,
                            std::span<const std::byte> bytes) {
  if (bytes.size() <= kProofBytes) return "too few bytes followed to say more";
  const auto rest = bytes.subspan(1).first(kProofBytes);
  if (!pattern.first_difference(offset + 1, rest)) return "the bytes after it are right again";
  const std::uint64_t begin = offset - std::min(offset, kSearchBytes);
  const std::uint64_t end = std::min(sent, offset + kSearchBytes);
  const auto found = find_in_stream(pattern, begin, end, bytes.first(kProofBytes));
  if (!found) return "what came is not data of this connection near that offset";
  return fmt::format("what came is this connection's data of offset {} ({})", *found,
                     *found > offset ? "bytes left out or out of order" : "bytes repeated");
}

}  // namespace

std::string_view name_of(FailureKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::optional<FailureKind> failure_kind_named(std::string_view name) {
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<FailureKind>(found - kNames.begin());
}

std::uint64_t Totals::failure_count() const {
  return std::accumulate(failures.begin(), failures.end(), std::uint64_t{0});
}

void Totals::add(const Totals& other) {
  connections_started += other.connections_started;
  connections_completed += other.connections_completed;
  half_closes_completed += other.half_closes_completed;
  bytes_sent += other.bytes_sent;
  bytes_verified += other.bytes_verified;
  for (std::size_t kind = 0; kind < kFailureKinds; ++kind) failures[kind] += other.failures[kind];
}

ConnectionLedger::ConnectionLedger(std::uint64_t seed, std::uint64_t connection, Totals& totals)
    : pattern_(seed, connection), connection_(connection), totals_(totals) {
  ++totals_.connections_started;
}

void ConnectionLedger::sent(std::uint64_t bytes) {
  SKYSOCK_CHECK(state_ == State::sending);
  sent_ += bytes;
  totals_.bytes_sent += bytes;
}

void ConnectionLedger::finished_sending(Ending ending) {
  SKYSOCK_CHECK(state_ == State::sending);
  state_ = ending == Ending::half_close ? State::half_closed : State::draining;
}

std::optional<Finding> ConnectionLedger::received(std::span<const std::byte> bytes) {
  SKYSOCK_CHECK(!ended());
  const std::uint64_t due = sent_ - verified_;
  const auto expected = bytes.first(std::min<std::uint64_t>(bytes.size(), due));
  const auto difference = pattern_.first_difference(verified_, expected);
  const std::uint64_t right = difference.value_or(expected.size());
  verified_ += right;
  totals_.bytes_verified += right;
  if (difference) return mismatch(bytes.subspan(*difference));
  if (bytes.size() == expected.size()) return std::nullopt;
  return fail(FailureKind::extra,
              fmt::format("{} byte(s) came back that were never sent, after all {} that were",
                          bytes.size() - expected.size(), sent_));
}

Finding ConnectionLedger::mismatch(std::span<const std::byte> bytes) {
  Finding finding = fail(FailureKind::mismatch, describe_damage(pattern_, verified_, sent_, bytes));
  finding.expected = pattern_.byte_at(verified_);
  finding.got = std::to_integer<std::uint8_t>(bytes.front());
  return finding;
}

std::optional<Finding> ConnectionLedger::stream_ended(std::error_code error) {
  SKYSOCK_CHECK(!ended());
  if (state_ == State::half_closed && all_back() && !error) {
    complete();
    ++totals_.half_closes_completed;
    return std::nullopt;
  }
  const std::string how = error ? error.message() : "end of stream";
  if (!all_back()) {
    return fail(FailureKind::loss,
                fmt::format("{} with {} of {} bytes not back", how, sent_ - verified_, sent_));
  }
  const auto* when = state_ == State::half_closed ? "where end of stream was due"
                                                  : "before the client ended the connection";
  return fail(FailureKind::loss, fmt::format("{} {} (all {} bytes were back)", how, when, sent_));
}

void ConnectionLedger::closed() {
  SKYSOCK_CHECK(state_ == State::draining && all_back());
  complete();
}

void ConnectionLedger::complete() {
  state_ = State::complete;
  ++totals_.connections_completed;
}

Finding ConnectionLedger::refused(std::string_view reason) {
  return fail(FailureKind::refused, fmt::format("connect failed: {}", reason));
}

Finding ConnectionLedger::hung(std::string_view waiting_for, double idle_s) {
  return fail(FailureKind::hang, fmt::format("waited {:.1f} s for {}; {} of {} bytes not back",
                                             idle_s, waiting_for, sent_ - verified_, sent_));
}

Finding ConnectionLedger::fail(FailureKind kind, std::string detail) {
  SKYSOCK_CHECK(!ended());
  state_ = State::failed;
  ++totals_.failures[static_cast<std::size_t>(kind)];
  Finding finding;
  finding.kind = kind;
  finding.connection = connection_;
  finding.offset = verified_;
  finding.detail = std::move(detail);
  return finding;
}

}  // namespace skysock::stress
