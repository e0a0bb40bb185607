// Races between senders and the reactor, each as a program that once found a planted one: the
// server must pass. And: a program that switches nothing goes as one that cannot switch.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "fuzz/sim_form.hpp"
#include "fuzz/sim_program.hpp"
#include "fuzz/sim_runner.hpp"

namespace skysock::fuzz {
namespace {

/// Thread 0 sends on a connection of ours, and stops after `points`; then `meanwhile`.
std::string race(const char* world, int points, const char* meanwhile) {
  return std::string(world) +
         "\nopen service=0 where=0\npoll\npoll\n"
         "begin thread=0 points=" +
         std::to_string(points) + "\nsend id=0 size=3\n" + meanwhile;
}

constexpr int kBeforeTheLock = 1;
constexpr int kUnderTheLock = 3;
constexpr const char* kPlain = "world 0 0 0 0 0";
constexpr const char* kTwoSlots = "world 1 0 0 0 0";

void expect_passes(const std::string& text) {
  const auto program = parse_program(text);
  ASSERT_TRUE(program) << program.error();
  const SimRun run = run_apart(*program);
  EXPECT_TRUE(run.passed) << run.what << '\n' << text;
}

TEST(SimRaces, M39_AWriterThatThinksBetterOfItLetsTheLockGo) {
  expect_passes(race(kPlain, kBeforeTheLock, "send_low id=0 size=9\nresume thread=0 points=9\n"));
}

TEST(SimRaces, M5_AWriterDoesNotOvertakeWhatIsInTheChannel) {
  expect_passes(race(kPlain, kBeforeTheLock,
                     "begin thread=1 points=2\nsend_low id=0 size=9\nresume thread=0 points=9\n"
                     "send id=0 size=5\nresume thread=1 points=9\npoll\n"));
}

TEST(SimRaces, R1_AWriterWithAnOldIdDoesNotWriteToTheNextSocket) {
  expect_passes(race(kTwoSlots, kBeforeTheLock,
                     "close service=0 id=0 flags=1\nopen service=0 where=0\npoll\n"
                     "open service=0 where=0\npoll\npoll\nresume thread=0 points=9\n"));
}

/// The lock belongs to the slot: its next socket may wait for a writer that has an old id.
TEST(SimRaces, R4_AWriterWithAnOldIdTellsTheNextSocketThatItLetGo) {
  expect_passes(race(kTwoSlots, kBeforeTheLock,
                     "close service=0 id=0 flags=1\nopen service=0 where=0\npoll\n"
                     "open service=0 where=0\npoll\npoll\nresume thread=0 points=0\n"
                     "send id=2 size=0\npoll\n"));
}

TEST(SimRaces, R2_ACloseWaitsForTheWriter) {
  expect_passes(race(kPlain, kUnderTheLock, "close service=0 id=0 flags=1\npoll\n"));
  expect_passes(race(kPlain, kUnderTheLock, "peer_reset peer=0\npoll\n"));
}

TEST(SimRaces, R3_TheRestIsThereWhenTheReactorLooksForIt) {
  for (int points = kUnderTheLock; points < 8; ++points) {
    const std::string text = race(kPlain, points, "poll\nresume thread=0 points=0\npoll\n");
    expect_passes(text.substr(0, text.find("begin")) + "limit_send bytes=1\n" +
                  text.substr(text.find("begin")));
  }
}

/// A sender runs in the middle of the reactor's write, close and wait.
TEST(SimRaces, AWriterMeetsTheReactorAtEachOfItsPoints) {
  for (int points = 0; points < 24; ++points) {
    for (const char* command : {"send_low id=0 size=9", "close service=0 id=0 flags=0",
                                "close service=0 id=0 flags=1", "peer_close peer=0"}) {
      std::string text = race(kPlain, kBeforeTheLock, "");
      text += std::string(command) + "\nbegin thread=0 points=" + std::to_string(points) +
              "\npoll\nresume thread=0 points=2\nresume thread=3 points=3\n";
      expect_passes(text);
    }
  }
}

/// One that was accepted when there were threads already.
TEST(SimRaces, ASendToASocketThatNobodyStartedIsDropped) {
  expect_passes(
      "world 0 0 0 0 0\nlisten service=0\nstart service=0 id=0\nresume thread=0 points=0\n"
      "dial listener=0\npoll\npoll\npost_send id=1 size=0\n");
}

/// Then the datagram leaves before its own packet is posted.
TEST(SimRaces, ARawPacketMayTakeThePayloadOfASendThatStopped) {
  const std::string socket = "world 0 0 0 0 0\nudp_dial service=0 destination=0\n";
  const std::string stops = "begin thread=0 points=2\nsend id=0 size=0\n";
  const std::string raw = "raw_packet type=80 id=0 requester=0 argument=0 cut=0\n";
  expect_passes(socket + stops + raw + "poll\n");
  expect_passes(socket + raw + stops + "poll\n");
}

/// A send goes by the policy that it saw when it began.
TEST(SimRaces, APolicyThatChangesUnderASendIsNotItsOwn) {
  expect_passes(
      "world 0 0 24 0 4\nopen service=0 where=0\npoll\npoll\n"
      "begin thread=0 points=1\nsend id=0 size=245\n"
      "set_option id=0 option=10 value=0\npoll\nsend id=0 size=176\n");
}

bool switches(const SimProgram& program) {
  return std::ranges::any_of(program.operations, [](const SimOperation& operation) {
    return operation.letter == kBegin || operation.letter == kResume;
  });
}

TEST(SimRaces, AboutOneProgramInThreeSwitchesThreads) {
  int count = 0;
  for (std::uint64_t number = 0; number < 600; ++number) {
    count += switches(numbered_program(9, number)) ? 1 : 0;
  }
  EXPECT_GT(count, 150);
  EXPECT_LT(count, 250);
}

/// What the models are told at yield points is what they would make of the call's answer.
TEST(SimRaces, AProgramThatSwitchesNothingGoesAsWithoutThreads) {
  int compared = 0;
  for (std::uint64_t number = 0; compared < 300; ++number) {
    SimProgram program = numbered_program(8, number);
    if (switches(program)) continue;
    ++compared;
    const std::uint64_t trace = run_here(program);
    program.operations.insert(program.operations.begin(), {.letter = kResume, .arguments = {0, 0}});
    ASSERT_EQ(run_here(program), trace) << text_of(program);
  }
}

}  // namespace
}  // namespace skysock::fuzz
