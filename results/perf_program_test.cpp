// Does the program skysock-perf do to real server processes what its help says, with the exit codes
// it says? The samples are far smaller than real ones (--operations): what is tested is the chain,
// not the precision.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "results/child.hpp"
#include "results/facts.hpp"

namespace skysock::results {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

struct Ended {
  int exit_code = -1;
  std::string output;
  std::string errors;
};

Ended run_perf(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), own_folder() + "/skysock-perf");
  auto child = Child::spawn(arguments).value();
  Ended ended;
  while (const auto line = child.read_line(seconds(40))) ended.output += *line + "\n";
  ended.exit_code = child.wait(seconds(10)).value_or(-1);
  ended.errors = child.error_output();
  return ended;
}

std::string server(const std::string& name, const std::string& arguments = "") {
  return name + "='" + own_folder() + "/tiny_echo_server' " + arguments;
}

/// compare of A with B, small and on one CPU, so that any machine can run it. `operations` 0
/// calibrates.
Ended run_compare(const std::string& a, const std::string& b,
                  const std::vector<std::string>& more = {}, int operations = 50) {
  std::vector<std::string> arguments = {"compare",
                                        "--a",
                                        a,
                                        "--b",
                                        b,
                                        "--seed",
                                        "3",
                                        "--connections",
                                        "4",
                                        "--placement",
                                        "same-cpu",
                                        "--operations",
                                        std::to_string(operations)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_perf(arguments);
}

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(testing::TempDir() + "skysock_perf_" + std::to_string(getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

TEST(PerfProgram, TheSameServerTwiceIsIdenticalAndNotMeasured) {
  const Ended ended = run_compare(server("a"), server("b"));
  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  EXPECT_THAT(ended.output, HasSubstr("identical"));
  EXPECT_THAT(ended.output, Not(HasSubstr("n=")));
}

TEST(PerfProgram, AFewAaRoundsAreUnresolvedAndStrictSaysSo) {
  const TemporaryFolder folder;
  const std::string json = folder.file("compare.json");
  const std::string db = folder.file("history.db");
  const Ended lax = run_compare(server("a"), server("b"),
                                {"--aa", "--rounds-max", "4", "--json", json, "--db", db});
  EXPECT_EQ(lax.exit_code, 0) << lax.errors;
  EXPECT_THAT(lax.output, HasSubstr("UNRESOLVED: no difference resolved"));
  EXPECT_THAT(lax.output, HasSubstr("n=4"));
  EXPECT_THAT(lax.output, HasSubstr("recorded as run 1"));
  const auto record = nlohmann::json::parse(std::ifstream(json));
  EXPECT_EQ(record.at("verdict"), "UNRESOLVED");
  EXPECT_EQ(record.at("rounds").size(), 4U);
  const Ended strict =
      run_compare(server("a"), server("b"), {"--aa", "--rounds-max", "2", "--strict"});
  EXPECT_EQ(strict.exit_code, 4) << strict.errors;
}

TEST(PerfProgram, ALargeInjectedSpinIsRegressed) {
  const Ended ended =
      run_compare(server("base"), server("spin", "--spin 20000"), {"--budget", "30"});
  EXPECT_EQ(ended.exit_code, 1) << ended.output << ended.errors;
  EXPECT_THAT(ended.output, HasSubstr("REGRESSED: B costs more CPU than A, confirmed"));
}

TEST(PerfProgram, CalibrationFindsASampleOfUsefulLength) {
  const Ended ended = run_compare(server("a"), server("b"), {"--aa", "--rounds-max", "2"}, 0);
  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  EXPECT_THAT(ended.output, HasSubstr("operations in 5 chunks"));
}

TEST(PerfProgram, AServerThatEchoesAWrongByteIsShown) {
  const Ended ended = run_compare(server("good"), server("flip", "--flaw flip_byte"));
  EXPECT_EQ(ended.exit_code, 5);
  EXPECT_THAT(ended.errors, HasSubstr("--flaw flip_byte"));
  EXPECT_THAT(ended.errors, HasSubstr("byte 63: expected 0x"));
}

TEST(PerfProgram, AServerThatCrashesIsShownWithItsErrorOutput) {
  const Ended ended = run_compare(server("good"), server("crash", "--flaw crash"));
  EXPECT_EQ(ended.exit_code, 5);
  EXPECT_THAT(ended.errors, HasSubstr("crashing on purpose"));
  EXPECT_THAT(ended.errors, HasSubstr("ended by signal 6"));
}

TEST(PerfProgram, AServerThatDiesOrNeverListensIsShown) {
  const Ended died = run_compare(server("good"), server("die", "--die"));
  EXPECT_EQ(died.exit_code, 5);
  EXPECT_THAT(died.errors, HasSubstr("told to die"));
  const Ended mute =
      run_compare(server("mute", "--mute"), server("good"), {"--start-timeout", "0.2"});
  EXPECT_EQ(mute.exit_code, 5);
  EXPECT_THAT(mute.errors, HasSubstr("did not print 'listening on HOST:PORT' within 200 ms"));
}

TEST(PerfProgram, WrongUsageIsTwo) {
  EXPECT_EQ(run_perf({}).exit_code, 2);
  EXPECT_EQ(run_perf({"compare"}).exit_code, 2);
  EXPECT_EQ(run_perf({"compare", "--a", server("a")}).exit_code, 2);
  EXPECT_EQ(run_perf({"compare", "--no-such-option"}).exit_code, 2);
  EXPECT_EQ(run_perf({"summary"}).exit_code, 2);
  EXPECT_EQ(run_compare("no name", server("b")).exit_code, 2);
  EXPECT_EQ(run_compare("a=/no/such/program", server("b")).exit_code, 2);
  EXPECT_EQ(run_compare(server("a"), server("b"), {"--rounds-max", "17"}).exit_code, 2);
  EXPECT_EQ(run_compare(server("a"), server("b"), {"--placement", "moon"}).exit_code, 2);
  EXPECT_EQ(run_compare(server("a"), server("b", "--spin 1"), {"--aa"}).exit_code, 2);
  for (const char* budget : {"0", "-1", "nan"}) {
    const Ended ended = run_compare(server("a"), server("b"), {"--budget", budget});
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_THAT(ended.errors + ended.output, HasSubstr("is not a number of seconds from 0.1 to"));
  }
  const Ended bogus = run_perf({"bogus"});
  EXPECT_EQ(bogus.exit_code, 2);
  EXPECT_THAT(bogus.errors, HasSubstr("unknown command 'bogus': expected one of compare, import"));
  EXPECT_EQ(run_perf({"--help"}).exit_code, 0);
  EXPECT_THAT(run_perf({"compare", "--help"}).output, HasSubstr("Exit codes"));
}

TEST(PerfProgram, AFileThatCannotBeWrittenIsSaidBeforeAnythingIsMeasured) {
  const Ended ended =
      run_compare(server("good"), server("die", "--die"), {"--json", "/nonexistent/x"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.errors,
              HasSubstr("--json '/nonexistent/x': cannot write: No such file or directory"));
}

TEST(PerfProgram, AWrongTuningIsSaidBeforeAnythingIsMeasured) {
  for (const char* option : {"--tuning-a", "--tuning-b"}) {
    const Ended ended = run_perf({"compare", option, "nope=1", "--placement", "same-cpu"});
    EXPECT_EQ(ended.exit_code, 2) << ended.output;
    EXPECT_THAT(ended.errors, HasSubstr(std::string("side ") + (option[9] == 'a' ? "A" : "B") +
                                        ": --tuning: no key 'nope'; expected one of"));
  }
}

TEST(PerfProgram, NoServerOutlivesAKilledComparison) {
  auto perf = Child::spawn({own_folder() + "/skysock-perf", "compare", "--a",
                            server("mute", "--mute"), "--b", server("b"), "--start-timeout", "30"})
                  .value();
  const std::string pid = std::to_string(perf.pid());
  pid_t server_pid = 0;
  const auto deadline = std::chrono::steady_clock::now() + seconds(10);
  const auto is_server = [&] {
    std::string name;
    std::ifstream("/proc/" + std::to_string(server_pid) + "/comm") >> name;
    return name.starts_with("tiny_echo");
  };
  while (!is_server() && std::chrono::steady_clock::now() < deadline) {
    std::ifstream("/proc/" + pid + "/task/" + pid + "/children") >> server_pid;
  }
  ASSERT_TRUE(is_server());
  const load::Fd server_fd(static_cast<int>(syscall(SYS_pidfd_open, server_pid, 0)));
  ASSERT_TRUE(server_fd);
  kill(perf.pid(), SIGKILL);
  pollfd entry{server_fd.get(), POLLIN, 0};
  EXPECT_EQ(poll(&entry, 1, 10'000), 1) << "the server still runs";
}

TEST(PerfProgram, ReportSummaryAndImportWorkOnFiles) {
  const TemporaryFolder folder;
  const std::string stress = folder.file("stress.json");
  const std::string page = folder.file("report.html");
  std::ofstream(stress)
      << R"({"seed": 1, "duration_s": 1, "connections_completed": 2, "bytes_sent": 3,
                               "bytes_verified": 3, "failures": [], "verdict": "pass"})";
  std::ofstream(folder.file("chart.js")) << "/* charts */";
  EXPECT_EQ(run_perf({"summary", "--stress", stress}).exit_code, 0);
  EXPECT_EQ(run_perf({"summary", "--stress", stress, "--fuzz", folder.file("none.json")}).exit_code,
            5);
  for (int night = 0; night < 2; ++night) {
    EXPECT_EQ(run_perf({"import", "--db", folder.file("h.db"), "--stress", stress}).exit_code, 0);
  }
  const Ended report = run_perf({"report", "--db", folder.file("h.db"), "--out", page, "--stress",
                                 stress, "--chart-js", folder.file("chart.js")});
  EXPECT_EQ(report.exit_code, 0) << report.errors;
  std::stringstream text;
  text << std::ifstream(page).rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("/* charts */"));
  const Ended without =
      run_perf({"report", "--out", page, "--stress", stress, "--chart-js", "/no/chart.js"});
  EXPECT_EQ(without.exit_code, 5);
  EXPECT_THAT(without.errors, HasSubstr("libjs-chart.js"));
}

}  // namespace
}  // namespace skysock::results
