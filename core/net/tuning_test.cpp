// Is every tuning text either understood exactly or refused with words that name it?

#include "core/net/tuning.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skysock {
namespace {

using testing::HasSubstr;

std::string error_of(std::string_view text) {
  const auto tuning = parse_tuning(text);
  EXPECT_FALSE(tuning.has_value()) << text;
  return tuning ? "" : tuning.error();
}

TEST(Tuning, NothingSaidMeansTheDefaults) { EXPECT_EQ(parse_tuning("").value(), Tuning{}); }

TEST(Tuning, ZeroWorkersAreLegalAndSixtyFiveAreNot) {
  EXPECT_EQ(parse_tuning("workers=0").value().workers, 0);
  EXPECT_EQ(parse_tuning("workers=64").value().workers, 64);
  EXPECT_THAT(error_of("workers=65"), HasSubstr("0 to 64"));
}

TEST(Tuning, SaidKeysChangeAndTheOthersStay) {
  Tuning expected;
  expected.max_events = 16;
  expected.nodelay = 0;
  EXPECT_EQ(parse_tuning("max_events=16,nodelay=0").value(), expected);
}

TEST(Tuning, TheTextOfATuningReadsBack) {
  const Tuning tuning = parse_tuning("slots=1024,linger_ms=7").value();
  EXPECT_EQ(parse_tuning(tuning_text(tuning)).value(), tuning);
}

TEST(Tuning, AnUnknownKeyIsNamedWithTheKnownOnes) {
  EXPECT_THAT(error_of("max_event=16"), HasSubstr("'max_event'"));
  EXPECT_THAT(error_of("max_event=16"), HasSubstr("max_events"));
}

TEST(Tuning, AValueThatIsNoNumberOrOutOfRangeIsNamedWithItsRange) {
  for (const std::string value : {"", "x", "1x", "0", "99999999999999999999", "65537", "-1"}) {
    const std::string error = error_of("max_events=" + value);
    EXPECT_THAT(error, HasSubstr("'" + value + "'"));
    EXPECT_THAT(error, HasSubstr("1 to 65536"));
  }
  EXPECT_THAT(error_of("max_events"), HasSubstr("expected max_events="));
}

TEST(Tuning, ATrailingOrDoubleCommaIsAnError) {
  EXPECT_THAT(error_of("max_events=16,"), HasSubstr("comma"));
  EXPECT_THAT(error_of(",max_events=16"), HasSubstr("''"));
}

TEST(Tuning, HelpNamesEveryKeyOfTheText) {
  const std::string help = tuning_help();
  const std::string text = tuning_text(Tuning{});
  for (std::size_t at = 0; at != std::string::npos;) {
    const std::size_t equals = text.find('=', at);
    EXPECT_THAT(help, HasSubstr("  " + text.substr(at, equals - at) + " "));
    at = text.find(',', at);
    if (at != std::string::npos) ++at;
  }
}

TEST(Tuning, AWordIsOneOfItsKeyAndASizeIsAPowerOfTwo) {
  EXPECT_EQ(parse_tuning("poller=epoll_et").value().poller, 1);
  EXPECT_THAT(error_of("poller=epoll"), HasSubstr("one of: epoll_lt, epoll_et"));
  EXPECT_EQ(parse_tuning("ring_bytes=32768").value().ring_bytes, 32'768);
  EXPECT_THAT(error_of("ring_bytes=32769"), HasSubstr("a power of two"));
}

}  // namespace
}  // namespace skysock
