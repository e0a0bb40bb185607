// Are programs what StreamWorld reads, are they read back as they were written, do equal ones do
// equal things, is one that fails made small? No program is known to fail: here another thing takes
// the place of failing; the bank of bugs (fuzz/bugs) has the real one.

#include "fuzz/sim_program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "core/base/check.hpp"
#include "fuzz/input_reader.hpp"
#include "fuzz/sim_runner.hpp"
#include "fuzz/stream_world.hpp"

namespace skysock::fuzz {
namespace {

using testing::HasSubstr;

constexpr const char* kConnection = R"(# A listener, a connection, an answer.
world 0 0 0 0 0

listen service=0
poll
start service=0 id=0
poll            # it listens
dial listener=0
poll
start service=0 id=1
poll
send id=1 size=4
raw 53 06 ff
)";

TEST(SimProgram, TextIsReadBackAsItWasWritten) {
  Prng random(1);
  for (int turn = 0; turn < 500; ++turn) {
    const SimProgram program = random_program(random);
    const auto read = parse_program(text_of(program));
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(*read, program);
  }
}

TEST(SimProgram, BytesAreReadBackAsTheyWereWritten) {
  Prng random(2);
  for (int turn = 0; turn < 500; ++turn) {
    const SimProgram program = random_program(random);
    EXPECT_EQ(program_of(bytes_of(program)), program);
  }
}

/// Else the arguments of one operation would be the letters of the next.
TEST(SimProgram, TheWorldReadsAsManyArgumentsAsAnOperationHas) {
  Prng random(3);
  for (int turn = 0; turn < 2'000; ++turn) {
    SimProgram program = random_program(random);
    program.world[1] &= 0x7FU;  // Services read nothing.
    for (SimOperation& operation : program.operations) {
      for (std::uint8_t& argument : operation.arguments) argument = static_cast<std::uint8_t>('q');
    }
    const SimProgram once = program;
    EXPECT_EQ(program_of(bytes_of(once)), once);
  }
  // An operation that reads more than it has would take the exit for an argument.
  const auto text = operations_help();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.find("raw ") != std::string::npos) continue;
    while (line.find("=N") != std::string::npos) line.replace(line.find("=N"), 2, "=1");
    const auto program = parse_program("world 0 2 0 0 0\n" + line + "\nexit\n");
    ASSERT_TRUE(program) << program.error();
    const std::vector<std::uint8_t> bytes = bytes_of(*program);
    InputReader input(bytes);
    StreamWorld world(input);
    world.run();
    EXPECT_TRUE(input.empty()) << line;
    EXPECT_EQ(input.read_past_end(), 0U) << line;
  }
}

/// Else a byte that is no letter would be read as another operation than is run.
TEST(SimProgram, OperationsStandInTheOrderOfTheWorlds) {
  EXPECT_EQ(operation_letters(), StreamWorld::operation_letters());
}

TEST(SimProgram, CommentsAndEmptyLinesDoNotCount) {
  const auto program = parse_program(kConnection);
  ASSERT_TRUE(program) << program.error();
  EXPECT_EQ(program->operations.size(), 10U);
  EXPECT_EQ(program->operations.back().arguments, (SimOperation::Arguments{0x53, 6, 0xFF}));
}

TEST(SimProgram, WhatIsWrongIsSaidWithItsLine) {
  const auto error = [](const char* text) { return parse_program(text).error(); };
  EXPECT_THAT(error(""), HasSubstr("expected a line 'world'"));
  EXPECT_THAT(error("poll\n"), HasSubstr("line 1: expected 'world'"));
  EXPECT_THAT(error("world 0 0 0 0\n"), HasSubstr("line 1: expected 'world'"));
  EXPECT_THAT(error("world 0 0 0 0 256\n"), HasSubstr("line 1"));
  EXPECT_THAT(error("world 0 0 0 0 0\n\njump\n"), HasSubstr("line 3: no operation 'jump'"));
  EXPECT_THAT(error("world 0 0 0 0 0\nlisten\n"), HasSubstr("line 2: '': expected 'service=N'"));
  EXPECT_THAT(error("world 0 0 0 0 0\nlisten service=300\n"), HasSubstr("'service=300': expected"));
  EXPECT_THAT(error("world 0 0 0 0 0\npoll now\n"), HasSubstr("'now': expected the end"));
  EXPECT_THAT(error("world 0 0 0 0 0\nraw 1g\n"), HasSubstr("'1g': expected a byte"));
}

/// The world stops there: what it does not carry out is not said to have passed.
TEST(SimProgram, OneThatIsTooLongIsRefused) {
  std::string text = "world 0 0 0 0 0\n";
  for (std::size_t count = 0; count < SimProgram::kOperationsMax; ++count) text += "poll\n";
  EXPECT_TRUE(parse_program(text));
  text += "# a comment is none\n\n";
  EXPECT_TRUE(parse_program(text));
  EXPECT_THAT(parse_program(text + "poll\n").error(),
              HasSubstr("line 404: expected at most 400 operations"));
  Prng random(4);
  for (int turn = 0; turn < 2'000; ++turn) {
    ASSERT_LE(random_program(random).operations.size(), SimProgram::kOperationsMax);
  }
}

TEST(SimProgram, AnOperationIsShownWithItsArguments) {
  const std::vector<std::uint8_t> bytes = {2, 1, 9};
  EXPECT_EQ(operation_text('S', bytes), "start service=2 id=1");
  EXPECT_EQ(operation_text('r', bytes), "raw 01 09");
  EXPECT_EQ(operation_text('q', bytes), "poll");
}

TEST(SimRunner, AFailedCheckIsSaidOnceAndInTheNameOfTheProgram) {
  const SimRun run{.passed = false,
                   .what = "skysock-sim: a.cpp:1: check failed: x",
                   .output = "poll\nskysock: a.cpp:1: check failed: x\nrest\n"};
  EXPECT_EQ(without_reason(run), "poll\nrest\n");
}

// ---- A process that fails

TEST(SimRunner, WhyAProcessFailedIsSaid) {
  const auto what = [](const std::function<void()>& work) { return run_apart(work, 1).what; };
  EXPECT_EQ(what([] {}), "");
  const std::string check = what([] { SKYSOCK_CHECK(1 + 1 == 3); });
  EXPECT_THAT(check, testing::StartsWith("skysock-sim: "));
  EXPECT_THAT(check, testing::EndsWith("check failed: 1 + 1 == 3"));
  EXPECT_EQ(what([] { kill(getpid(), SIGKILL); }), "the process ended without a word: SIGKILL");
  EXPECT_EQ(what([] { _exit(7); }), "the process ended with 7 and no word");
  EXPECT_EQ(what([] {
              for (;;) pause();
            }),
            "it did not end in time: an endless loop?");
}

// ---- Making small

std::string letters_of(const SimProgram& program) {
  std::string letters;
  for (const SimOperation& operation : program.operations) letters += operation.letter;
  return letters;
}

TEST(Shrinker, WhatIsNotNeededIsLeftOut) {
  SimProgram program = parse_program("world 1 2 3 4 5\n").value();
  Prng random(6);
  for (int part = 0; part < 5; ++part) {
    const SimProgram more = random_program(random);
    program.operations.insert(program.operations.end(), more.operations.begin(),
                              more.operations.end());
  }
  program.operations.push_back({.letter = 'D', .arguments = {3, 200}});
  program.operations.push_back({.letter = 'e', .arguments = {2}});
  const SimProgram small = shrunk(program, [](const SimProgram& candidate) {
    const std::string letters = letters_of(candidate);
    const std::size_t send = letters.find('D');
    return candidate.world[2] == 3 && send != std::string::npos &&
           letters.find('e', send) != std::string::npos;
  });
  EXPECT_EQ(text_of(small), "world 0 0 3 0 0\nsend id=0 size=0\npeer_close peer=0\n");
}

TEST(Shrinker, NumbersHaveFewBitsOrAreSmall) {
  const SimProgram program = parse_program("world 255 0 0 0 0\nsend id=9 size=250\n").value();
  const SimProgram small = shrunk(program, [](const SimProgram& candidate) {
    return (candidate.world[0] & 20U) == 20 && candidate.operations.size() == 1 &&
           candidate.operations[0].arguments[1] >= 40;
  });
  EXPECT_EQ(text_of(small), "world 20 0 0 0 0\nsend id=0 size=62\n");
}

/// As a poll and what it carries out.
TEST(Shrinker, TwoThatMakeSenseOnlyTogetherAreLeftOutTogether) {
  const SimProgram program =
      parse_program("world 0 0 0 0 0\npoll\nsend id=0 size=0\nnetstat\nwake\n").value();
  const SimProgram small = shrunk(program, [](const SimProgram& candidate) {
    const std::string letters = letters_of(candidate);
    return letters.contains('n') && letters.contains('q') == letters.contains('k');
  });
  EXPECT_EQ(letters_of(small), "n");
}

/// Ids are counted from the first socket: without the listener they are one less.
TEST(Shrinker, AnAcceptedConnectionBecomesOneThatIsOpened) {
  const SimProgram program = parse_program(
                                 "world 0 0 0 0 0\nlisten service=0\npoll\n"
                                 "start service=0 id=0\ndial listener=0\npoll\n"
                                 "start service=0 id=1\nsend id=1 size=0\n")
                                 .value();
  const SimProgram small = shrunk(program, [](const SimProgram& candidate) {
    const std::string letters = letters_of(candidate);
    if (letters == "LqSdqSD") {
      return candidate.operations[5].arguments[1] == 1 && candidate.operations[6].arguments[0] == 1;
    }
    return letters.starts_with('O') && letters.ends_with('D') &&
           candidate.operations.back().arguments[0] == 0;
  });
  EXPECT_EQ(text_of(small), "world 0 0 0 0 0\nopen service=0 where=0\nsend id=0 size=0\n");
}

TEST(SimRunner, TheSameProgramLeavesTheSameTrace) {
  for (std::uint64_t number = 0; number < 200; ++number) {
    const SimProgram program = numbered_program(5, number);
    EXPECT_EQ(run_here(program), run_here(program)) << text_of(program);
  }
}

/// Which cells of the rule table the program reaches.
SimCells cells_of(const std::string& operations) {
  const std::string listener =
      "world 0 0 0 0 0\nlisten service=0\npoll\nstart service=0 id=0\npoll\n";
  SimCells cells;
  count_steps_in(&cells);
  run_here(parse_program(listener + operations).value());
  count_steps_in(nullptr);
  return cells;
}

/// A sender on another thread may have looked at the socket before it changed.
TEST(SimRunner, ASendMayComeTooEarlyOrTooLate) {
  const SimCells early = cells_of("dial listener=0\npoll\npost_send id=1 size=3\npoll\n");
  EXPECT_EQ(early.steps_of(State::paccept, Input::send), 1U);
  const SimCells late = cells_of(
      "dial listener=0\npoll\nstart service=0 id=1\npoll\nclose service=0 id=1 flags=0\npoll\n"
      "post_send id=1 size=3\npoll\n");
  EXPECT_EQ(late.steps_of(State::lingering, Input::send), 1U);
}

TEST(SimRunner, SomebodyElseMayEndAListener) {
  const SimCells held = cells_of("hold service=0 id=0\npoll\nshut_listener listener=0\npoll\n");
  EXPECT_EQ(held.steps_of(State::listening_held, Input::hung_up), 1U);
  const SimCells starved = cells_of(
      "fault call=5 error=4 after=0\ndial listener=0\npoll\nshut_listener listener=0\npoll\n");
  EXPECT_EQ(starved.steps_of(State::accept_paused, Input::hung_up), 1U);
}

TEST(SimRunner, APacketMayBeNobodys) {
  // 'H', mode 1 at argument=1: a hand-over.
  const SimCells cells = cells_of(
      "close service=0 id=0 flags=0\npoll\nraw_packet type=72 id=0 requester=255 argument=1 cut=0\n"
      "poll\n");
  EXPECT_EQ(cells.steps_of(State::free, Input::hand_over), 1U);
}

TEST(SimRunner, ARunOfRandomProgramsSaysWhatItDid) {
  const SimTally tally = run_random({.seed = 3, .count = 300}, [](const SimTally&) {});
  ASSERT_TRUE(tally.passed()) << tally.failed.value_or(0) << ' ' << tally.failed_at_end;
  EXPECT_EQ(tally.programs, 300U);
  EXPECT_GT(tally.cpu_seconds, 0);
  EXPECT_GE(tally.operations, 300U * 16);
  EXPECT_GT(tally.cells.reached(), 100U);
  EXPECT_LE(tally.cells.reached(), SimCells::possible());
  const SimTally again = run_random({.seed = 3, .count = 300}, [](const SimTally&) {});
  EXPECT_EQ(again.trace, tally.trace);
  const SimTally other = run_random({.seed = 4, .count = 300}, [](const SimTally&) {});
  EXPECT_NE(other.trace, tally.trace);
}

TEST(SimRunner, AProgramThatPassesIsNoFailure) {
  EXPECT_TRUE(run_apart(parse_program(kConnection).value()).passed);
}

}  // namespace
}  // namespace skysock::fuzz
