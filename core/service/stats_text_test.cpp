// Is every figure that is counted printed once, under its own name, with its own value?

#include "core/service/stats_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace skysock {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

std::uint64_t value_of(const CountValues& values, std::string_view name) {
  for (std::size_t at = 0; at < values.size(); ++at) {
    if (count_names()[at] == name) return values[at];
  }
  ADD_FAILURE() << "no figure is named " << name;
  return 0;
}

TEST(StatsText, NoTwoFiguresShareANameOrAValue) {
  // Memory of both structs is nothing but figures: each gets another one.
  constexpr std::size_t kSockets = sizeof(SocketServerCounts) / sizeof(std::uint64_t);
  std::array<std::uint64_t, kCountTotal - 1> numbers{};
  for (std::size_t at = 0; at < numbers.size(); ++at) numbers[at] = 1'000 + at;
  SocketServerCounts sockets;
  RuntimeCounts runtime;
  std::memcpy(static_cast<void*>(&sockets), numbers.data(), sizeof sockets);
  std::memcpy(static_cast<void*>(&runtime), numbers.data() + kSockets, sizeof runtime);
  const CountValues values = count_values(sockets, runtime);
  const std::set<std::string> names(count_names().begin(), count_names().end());
  const std::set<std::uint64_t> distinct(values.begin(), values.end());
  EXPECT_EQ(names.size(), kCountTotal);
  EXPECT_EQ(distinct.size(), kCountTotal);
  for (const std::uint64_t number : numbers) EXPECT_TRUE(distinct.contains(number)) << number;
}

TEST(StatsText, FiguresAreFoundUnderTheNamesOfTheirMembers) {
  SocketServerCounts sockets{.accepts = 3, .bytes_read = 70, .warnings = 2, .wakeups = 11};
  sockets.packets_by_kind[0] = 5;
  sockets.closes_by_input[static_cast<std::size_t>(Input::eof)] = 7;
  sockets.closes_by_input[static_cast<std::size_t>(Input::deadline)] = 1;
  const CountValues values =
      count_values(sockets, {.dropped = 4, .wakeups = 12, .longest_mailbox = 9});
  EXPECT_EQ(value_of(values, "accepts"), 3U);
  EXPECT_EQ(value_of(values, "bytes_read"), 70U);
  EXPECT_EQ(value_of(values, "warnings"), 2U);
  EXPECT_EQ(value_of(values, "wakeups"), 11U);
  EXPECT_EQ(value_of(values, "worker_wakeups"), 12U);
  EXPECT_EQ(value_of(values, "messages_dropped"), 4U);
  EXPECT_EQ(value_of(values, "longest_mailbox"), 9U);
  EXPECT_EQ(value_of(values, "packets_S"), 5U);
  EXPECT_EQ(value_of(values, "closes_eof"), 7U);
  EXPECT_EQ(value_of(values, "closes_deadline"), 1U);
  EXPECT_EQ(value_of(values, "closes"), 8U);
}

TEST(StatsText, HelpSaysWhatEveryFigureIs) {
  std::istringstream help(stats_help());
  std::string line;
  std::getline(help, line);
  std::getline(help, line);
  const std::size_t unit = line.find("unit");
  const std::size_t meaning = line.find("meaning");
  ASSERT_LT(meaning, line.size());
  for (const std::string& name : count_names()) {
    ASSERT_TRUE(std::getline(help, line)) << name;
    EXPECT_TRUE(line.starts_with("  " + name + " ")) << line;
    EXPECT_GT(line.find_first_of(' ', unit), unit) << line;
    EXPECT_GT(line.size(), meaning + 3) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
  EXPECT_FALSE(std::getline(help, line)) << line;
}

TEST(StatsText, HelpExplainsLettersAndCauses) {
  const std::string help = stats_help();
  EXPECT_THAT(help,
              HasSubstr("  packets_K                packets    that say: close or shut down"));
  EXPECT_THAT(help, HasSubstr("  closes_eof               sockets    freed by the peer's end\n"));
}

TEST(StatsText, TextLeavesOutOnlyKindsThatDidNotHappen) {
  SocketServerCounts sockets{.accepts = 3};
  sockets.closes_by_input[static_cast<std::size_t>(Input::eof)] = 7;
  const std::string text =
      stats_text(count_values(sockets, {}), milliseconds(2'500), PollerKind::epoll_et);
  EXPECT_THAT(text, HasSubstr("counts after 2.500 s, poller epoll_et\n"));
  EXPECT_THAT(text, HasSubstr(" accepts=3 refused_accepts=0 closes=7\n"));
  EXPECT_THAT(text, HasSubstr("  closes       closes_eof=7\n"));
  EXPECT_THAT(text, Not(HasSubstr("closes_deadline")));
  EXPECT_THAT(text, Not(HasSubstr("packets_")));
  EXPECT_THAT(text, HasSubstr(" decode_errors=0"));
  EXPECT_THAT(text, HasSubstr(" longest_mailbox=0"));
}

TEST(StatsText, JsonHasEveryFigureOnOneLine) {
  const CountValues values =
      count_values({.bytes_written = ~std::uint64_t{0}}, {.timers_fired = 6});
  const std::string text = stats_json(values, milliseconds(77), PollerKind::io_uring);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  const auto object = nlohmann::json::parse(text, nullptr, false);
  ASSERT_TRUE(object.is_object()) << text;
  EXPECT_EQ(object.size(), kCountTotal + 2);
  EXPECT_EQ(object["uptime_ms"], 77);
  EXPECT_EQ(object["poller"], "io_uring");
  EXPECT_EQ(object["bytes_written"], ~std::uint64_t{0});
  EXPECT_EQ(object["timers_fired"], 6);
}

}  // namespace
}  // namespace skysock
