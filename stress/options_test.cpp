// Does the command line mean what it says, are mistakes named, and can a run be repeated from the
// printed line?

#include "stress/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skysock::stress {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::expected<Options, EarlyExit> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "skysock-stress");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

TEST(Options, ReadsEveryOption) {
  const auto options = parse({"--clients",        "3",   "--connections",  "5",
                              "--duration",       "1.5", "--seed",         "18446744073709551615",
                              "--hang-timeout",   "2",   "--json",         "out.json",
                              "--message-max",    "100", "--max-failures", "4",
                              "--server-timeout", "7",   "--tuning",       "a=1,b=2"});
  ASSERT_TRUE(options.has_value()) << options.error().text;
  EXPECT_EQ(options->clients, 3U);
  EXPECT_EQ(options->connections, 5U);
  EXPECT_EQ(options->duration_s, 1.5);
  EXPECT_EQ(options->seed, 18446744073709551615U);
  EXPECT_TRUE(options->seed_given);
  EXPECT_EQ(options->hang_timeout_s, 2);
  EXPECT_EQ(options->json_path, "out.json");
  EXPECT_EQ(options->message_bytes_max, 100U);
  EXPECT_EQ(options->failures_max, 4U);
  EXPECT_EQ(options->server_timeout_s, 7);
  EXPECT_EQ(options->tuning, "a=1,b=2");
}

TEST(Options, ASeedThatIsNotGivenIsKnownToBeMissing) {
  EXPECT_FALSE(parse({})->seed_given);
  EXPECT_TRUE(parse({"--seed", "0"})->seed_given);
}

TEST(Options, MistakesExitWithTwoAndNameTheOption) {
  const std::vector<std::vector<std::string>> mistakes = {{"--clients", "0"},
                                                          {"--clients", "many"},
                                                          {"--connections", "-1"},
                                                          {"--duration", "0"},
                                                          {"--duration", "nan"},
                                                          {"--seed", "-5"},
                                                          {"--seed", "1x"},
                                                          {"--seed", "18446744073709551616"},
                                                          {"--hang-timeout", "0"},
                                                          {"--max-failures", "0"},
                                                          {"--message-max", "0"},
                                                          {"--server-timeout"},
                                                          {"--clinets", "3"},
                                                          {"--duration", "inf"},
                                                          {"stray"},
                                                          {"--target", ""},
                                                          {"--server", ""}};
  for (const auto& words : mistakes) {
    const auto options = parse(words);
    ASSERT_FALSE(options.has_value()) << words[0];
    EXPECT_EQ(options.error().code, 2) << words[0];
    EXPECT_THAT(options.error().text, HasSubstr(words[0]));
  }
}

TEST(Options, ATargetAndAServerExcludeEachOther) {
  EXPECT_EQ(parse({"--target", "a:1", "--server", "b"}).error().code, 2);
  EXPECT_EQ(parse({"--target", "a:1", "--tuning", "b=1"}).error().code, 2);
  EXPECT_EQ(parse({"--server", "a", "--tuning", "b=1"}).error().code, 2);
}

TEST(Options, HelpNamesEveryExitCodeAndExitsWithZero) {
  const auto help = parse({"--help"}).error();
  EXPECT_EQ(help.code, 0);
  for (const char* text : {"  0 ", "  1 ", "  2 ", "  5 ", "  130 ", "--hang-timeout", "seconds"}) {
    EXPECT_THAT(help.text, HasSubstr(text));
  }
}

TEST(Options, TheServerIsSkysockBesideTheProgramWithItsTuning) {
  const auto options = parse({"--tuning", "max_events=16", "--script", "e.lua"});
  EXPECT_THAT(*server_command(*options, "/bin"),
              ElementsAre("/bin/skysock", "--tuning", "max_events=16", "e.lua", "127.0.0.1", "0"));
  const auto other = parse({"--server", "nc -l '1 2'"});
  EXPECT_THAT(*server_command(*other, "/bin"), ElementsAre("nc", "-l", "1 2"));
}

TEST(SplitWords, KeepsWhatQuotesAndBackslashesProtect) {
  EXPECT_THAT(*split_words("  a 'b  c'\t\"d 'e\" f\\ g '' "),
              ElementsAre("a", "b  c", "d 'e", "f g", ""));
}

TEST(SplitWords, NamesWhatIsLeftOpen) {
  EXPECT_THAT(split_words("a 'b").error(), HasSubstr("quote"));
  EXPECT_THAT(split_words("a\\").error(), HasSubstr("backslash"));
  EXPECT_THAT(split_words("  ").error(), HasSubstr("empty"));
}

TEST(QuoteWords, ReadsBackAsTheSameWords) {
  const std::vector<std::string> words = {"plain", "", "two words", "it's", "a\"b", "$HOME", "\\"};
  EXPECT_EQ(*split_words(quote_words(words)), words);
}

TEST(RepeatCommand, ParsesToTheSameRun) {
  const auto first = parse({"--clients", "3", "--duration", "0.25", "--seed", "9", "--server",
                            "peer --defect 'a b'", "--hang-timeout", "1.5"});
  auto words = *split_words(repeat_command(*first));
  words.erase(words.begin());
  const auto again = parse(words);
  ASSERT_TRUE(again.has_value()) << again.error().text;
  EXPECT_EQ(repeat_command(*again), repeat_command(*first));
  EXPECT_EQ(again->seed, 9U);
  EXPECT_EQ(again->duration_s, 0.25);
  EXPECT_EQ(again->server_command, first->server_command);
  EXPECT_EQ(again->hang_timeout_s, 1.5);
}

}  // namespace
}  // namespace skysock::stress
