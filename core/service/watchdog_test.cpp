// Is a thread that stays inside of one message named once, with the message, and nobody else? The
// watchdog on real threads is tested in runtime_test.cpp.

#include "core/service/watchdog.hpp"

#include <gtest/gtest.h>

namespace skysock {
namespace {

using std::chrono::milliseconds;

class IncidentFinderTest : public testing::Test {
 protected:
  static Message message(Session session = 7) {
    return {.type = MessageType::system, .session = session, .source = 3};
  }

  std::vector<Incident> look_at_ms(std::int64_t ms) {
    return finder_.look(IncidentFinder::Time(milliseconds(ms)));
  }

  std::vector<Activity> activities_ = std::vector<Activity>(2);
  IncidentFinder finder_{activities_, milliseconds(100)};
};

TEST_F(IncidentFinderTest, AThreadBetweenMessagesIsNeverNamed) {
  activities_[0].enter(9, message());
  activities_[0].leave();
  for (const int ms : {0, 100, 200, 1'000}) EXPECT_TRUE(look_at_ms(ms).empty());
}

TEST_F(IncidentFinderTest, AThreadInsideOneMessageForTheLimitIsNamedOnce) {
  activities_[1].enter(9, message());
  EXPECT_TRUE(look_at_ms(1'000).empty());
  EXPECT_TRUE(look_at_ms(1'099).empty());
  const std::vector<Incident> incidents = look_at_ms(1'100);
  ASSERT_EQ(incidents.size(), 1U);
  EXPECT_EQ(incidents[0].message.service, 9U);
  EXPECT_EQ(incidents[0].message.source, 3U);
  EXPECT_EQ(incidents[0].message.session, 7);
  EXPECT_EQ(incidents[0].message.type, MessageType::system);
  EXPECT_EQ(incidents[0].at_least, milliseconds(100));
  EXPECT_TRUE(look_at_ms(9'000).empty()) << "named already";
}

TEST_F(IncidentFinderTest, AThreadThatMovesOnIsNotNamedHoweverBusy) {
  for (int ms = 0; ms < 1'000; ms += 50) {
    activities_[0].enter(9, message());  // The same service, an equal message.
    EXPECT_TRUE(look_at_ms(ms).empty());
  }
}

TEST_F(IncidentFinderTest, TheNextIncidentOfTheSameThreadIsNamedToo) {
  activities_[0].enter(9, message());
  look_at_ms(0);
  EXPECT_EQ(look_at_ms(100).size(), 1U);
  activities_[0].leave();
  look_at_ms(200);
  activities_[0].enter(9, message());
  look_at_ms(300);
  EXPECT_EQ(look_at_ms(400).size(), 1U);
}

TEST_F(IncidentFinderTest, TwoStuckThreadsAreTwoIncidents) {
  activities_[0].enter(8, message());
  activities_[1].enter(9, message());
  look_at_ms(0);
  EXPECT_EQ(look_at_ms(150).size(), 2U);
}

}  // namespace
}  // namespace skysock
