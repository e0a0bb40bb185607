// Are server processes started, read, timed, ended and blamed correctly?

#include "results/child.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "results/facts.hpp"
#include "results/server.hpp"

namespace skysock::results {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

std::string tiny_echo_server() { return own_folder() + "/tiny_echo_server"; }

TEST(SplitCommand, KnowsQuotesAndRefusesShellOperators) {
  EXPECT_THAT(split_command("a 'b c' \"d  e\" f\\ g").value(),
              ElementsAre("a", "b c", "d  e", "f g"));
  for (const char* line : {"", "   ", "a | b", "a; b", "a > b", "a $(b)", "a 'b"}) {
    const auto result = split_command(line);
    ASSERT_FALSE(result) << line;
    EXPECT_EQ(result.error().code, kUsage);
  }
}

TEST(Child, LinesAreReadAndTheEndIsSeen) {
  auto child = Child::spawn({"printf", "one\\ntwo\\nrest"});
  ASSERT_TRUE(child);
  EXPECT_EQ(child->read_line(seconds(5)), "one");
  EXPECT_EQ(child->read_line(seconds(5)), "two");
  EXPECT_EQ(child->read_line(seconds(5)), std::nullopt);
  EXPECT_TRUE(child->output_ended());
  EXPECT_EQ(child->wait(seconds(5)), 0);
}

TEST(Child, SilenceEndsAtTheTimeout) {
  auto child = Child::spawn({"sleep", "60"});
  ASSERT_TRUE(child);
  EXPECT_EQ(child->read_line(milliseconds(20)), std::nullopt);
  EXPECT_FALSE(child->output_ended());
  EXPECT_TRUE(child->stop());
}

TEST(Child, AProgramThatIsNotThereSaysSo) {
  auto child = Child::spawn({"/no/such/program"});
  ASSERT_TRUE(child);
  EXPECT_EQ(child->wait(seconds(5)), 127);
  EXPECT_THAT(child->error_output(), HasSubstr("/no/such/program"));
}

TEST(Child, StopReportsAnEarlyEndAndABadEnd) {
  auto early = Child::spawn({"false"});
  ASSERT_TRUE(early);
  ASSERT_EQ(early->wait(seconds(5)), 1);
  EXPECT_THAT(early->stop().error().text, HasSubstr("ended early with exit code 1"));

  auto bad =
      Child::spawn({"sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done"});
  ASSERT_TRUE(bad);
  ASSERT_EQ(bad->read_line(seconds(5)), "ready");
  EXPECT_THAT(bad->stop().error().text, HasSubstr("ended with exit code 9 after SIGTERM"));
}

TEST(Child, OneThatIgnoresSigtermIsKilledAndReported) {
  auto child = Child::spawn({"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"});
  ASSERT_TRUE(child);
  ASSERT_EQ(child->read_line(seconds(5)), "ready");
  EXPECT_THAT(child->stop(milliseconds(50)).error().text, HasSubstr("did not end within 50 ms"));
  EXPECT_EQ(child->wait(seconds(5)), 128 + 9);
}

TEST(Child, CpuTimeGrowsWithWork) {
  auto busy = Child::spawn(
      {"sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; read x"});
  ASSERT_TRUE(busy);
  const auto before = busy->cpu_time().value();
  ASSERT_EQ(busy->read_line(seconds(20)), "done");
  EXPECT_GT(busy->cpu_time().value(), before + milliseconds(1));
}

TEST(Child, ShortCommandsGiveTheirOutputOrNothing) {
  EXPECT_EQ(output_of({"printf", "a\\nb\\n"}), "a\nb\n");
  EXPECT_EQ(output_of({"false"}), std::nullopt);
  EXPECT_EQ(output_of({"/no/such/program"}), std::nullopt);
}

TEST(Listening, OnlyTheAgreedLineIsTaken) {
  const auto v4 = parse_listening("listening on 127.0.0.1:4711");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, 4711);
  EXPECT_EQ(parse_listening("listening on [::1]:4711")->host, "::1");
  for (const char* line :
       {"", "listening on", "listening on 1.2.3.4", "listening on :80", "listening on h:0",
        "listening on h:65536", "listening on h:80x", "Listening on h:80"}) {
    EXPECT_FALSE(parse_listening(line)) << line;
  }
}

TEST(Server, StartsAndStops) {
  auto server = Server::start({tiny_echo_server()}, std::nullopt, seconds(10));
  ASSERT_TRUE(server) << server.error().text;
  EXPECT_GT(server->listening().port, 0);
  EXPECT_TRUE(server->stop());
}

TEST(Server, BlamesOneThatDiesWithItsErrorOutput) {
  const auto server = Server::start({tiny_echo_server(), "--die"}, std::nullopt, seconds(10));
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, kNothingMeasured);
  EXPECT_THAT(server.error().text, HasSubstr("told to die"));
  EXPECT_THAT(server.error().text, HasSubstr("exit code 3"));
}

TEST(Facts, HashAndBuildOfAProgramAreFound) {
  // Of the three bytes "abc": FIPS 180-2, appendix B.1.
  const std::string path = testing::TempDir() + "skysock_sha256_abc";
  {
    ASSERT_EQ(output_of({"sh", "-c", "printf abc > '" + path + "'"}), "");
  }
  EXPECT_EQ(sha256_of(path).value(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_FALSE(sha256_of("/no/such/file"));

  const auto facts = read_build_facts(tiny_echo_server());
  ASSERT_TRUE(facts) << facts.error().text;
  EXPECT_EQ(facts->binary_sha256.size(), 64U);
  EXPECT_THAT(facts->compiler, testing::AnyOf(HasSubstr("clang"), HasSubstr("g++")));
  EXPECT_EQ(read_build_facts("/no/such/program").error().code, kUsage);
  EXPECT_TRUE(read_build_facts("sh"));
}

TEST(Facts, MachineFactsAreNotEmpty) {
  const MachineFacts facts = read_machine_facts();
  for (const std::string& text : {facts.cpu, facts.kernel, facts.glibc, facts.governor})
    EXPECT_FALSE(text.empty());
  EXPECT_GT(facts.cpus, 0U);
}

}  // namespace
}  // namespace skysock::results
