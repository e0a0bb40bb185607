// Does the real program find each class of failure in a real server, name it, and say so in its
// exit code? Each test runs skysock-stress against stress_peer with one planted defect, over
// loopback sockets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "stress/child_process.hpp"
#include "stress/options.hpp"
#include "stress/pattern.hpp"

namespace skysock::stress {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

/// A run that takes longer hangs itself.
constexpr auto kRunMax = std::chrono::seconds(50);
constexpr std::uint64_t kSeed = 5;

/// skysock-stress as a child whose output is collected.
class Running {
 public:
  explicit Running(const Words& argv) : process_(ChildProcess::start(argv).value()) {}

  /// Collects output until `done` or the end of the process.
  template <typename Done>
  void collect_until(Done done) {
    const auto deadline = Clock::now() + kRunMax;
    while (!done() && !process_.poll_exit() && Clock::now() < deadline) {
      std::array<pollfd, 2> fds = {
          {{process_.output_fd(), POLLIN, 0}, {process_.error_fd(), POLLIN, 0}}};
      ::poll(fds.data(), fds.size(), 20);
      process_.read_output(output);
      process_.read_error(error);
    }
    process_.read_output(output);
    process_.read_error(error);
  }

  void await_text(const std::string& text) {
    collect_until([&] { return output.find(text) != std::string::npos; });
    ASSERT_THAT(output, HasSubstr(text)) << error;
  }

  /// Its exit code; -1 when a signal killed it or it did not end.
  int await_exit() {
    collect_until([] { return false; });
    const auto status = process_.poll_exit();
    return status ? status->code().value_or(-1) : -1;
  }

  void signal(int number) const { process_.signal(number); }

  /// The numbers behind `label` on the line "driving ...", which says that the clients were
  /// started.
  std::vector<pid_t> pids_behind(const std::string& label) const {
    std::istringstream rest(output.substr(output.find(label) + label.size()));
    std::vector<pid_t> pids;
    for (pid_t pid = 0; rest >> pid;) pids.push_back(pid);
    return pids;
  }

  std::string output;
  std::string error;

 private:
  ChildProcess process_;
};

class StressProgram : public testing::Test {
 protected:
  StressProgram() {
    std::string name = testing::TempDir() + "skysock-stress-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~StressProgram() override { std::filesystem::remove_all(directory_); }

  static std::string beside(const std::string& program) {
    return program_directory() + "/" + program;
  }

  static std::string peer(const std::string& defect, int at = 1000) {
    const Words words = {beside("stress_peer"), "--defect", defect, "--at", std::to_string(at)};
    return quote_words(words);
  }

  Words command(const Words& more) const {
    Words words = {beside("skysock-stress"), "--seed", std::to_string(kSeed), "--max-failures",
                   "2"};
    words.insert(words.end(), more.begin(), more.end());
    const auto unless_given = [&words](const std::string& name, const std::string& value) {
      if (std::ranges::find(words, name) == words.end()) words.insert(words.end(), {name, value});
    };
    unless_given("--clients", "2");
    unless_given("--connections", "3");
    unless_given("--json", json_path());
    return words;
  }

  std::string json_path() const { return directory_ + "/result.json"; }

  /// Runs to the end; the exit code. The output and the result file are kept.
  int run(const Words& more) {
    Running running(command(more));
    const int code = running.await_exit();
    output_ = running.output + running.error;
    read_result();
    return code;
  }

  int run_against(const std::string& defect, const Words& more = {}) {
    Words words = {"--server", peer(defect), "--duration", "0.5"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }

  void read_result() {
    std::ifstream file(json_path());
    result_ = json::parse(file, nullptr, false);
  }

  /// The first failure of that kind, which must be there, be counted and be printed with the repeat
  /// command.
  json first_failure(const std::string& kind, const std::string& counter) const {
    EXPECT_GE(result_.value(counter, 0), 1) << output_;
    EXPECT_EQ(result_.value("verdict", ""), "fail");
    for (const json& failure : result_.value("failures", json::array())) {
      if (failure["kind"] != kind) continue;
      EXPECT_THAT(failure["line"], HasSubstr("seed " + std::to_string(kSeed)));
      EXPECT_THAT(failure["line"], HasSubstr("repeat: " + beside("skysock-stress")));
      EXPECT_THAT(output_, HasSubstr("FAIL " + kind + ": "));
      return failure;
    }
    ADD_FAILURE() << "no failure of kind " << kind << " in\n" << output_;
    return json::object();
  }

  void expect_line_names_offset(const json& failure, std::uint64_t offset) const {
    EXPECT_EQ(failure.value("offset", std::uint64_t{0}), offset) << output_;
    const auto connection = failure.value("connection", std::uint64_t{0});
    EXPECT_THAT(failure.value("line", ""),
                AllOf(HasSubstr("connection " + std::to_string(connection) + " (client "),
                      HasSubstr("offset " + std::to_string(offset))));
  }

  std::string directory_;
  std::string output_;
  json result_;
};

TEST_F(StressProgram, ACorrectServerPassesWithEveryByteVerified) {
  ASSERT_EQ(run_against("none"), 0) << output_;
  EXPECT_THAT(output_, AllOf(HasSubstr("seed 5; repeat: "), HasSubstr("\nPASS: ")));
  EXPECT_EQ(result_["verdict"], "pass");
  EXPECT_GT(result_["connections_completed"], 0);
  EXPECT_GT(result_["half_closes_completed"], 0);
  EXPECT_EQ(result_["connections_completed"], result_["connections_started"]);
  EXPECT_GT(result_["bytes_verified"], 10000);
  EXPECT_EQ(result_["bytes_verified"], result_["bytes_sent"]);
  EXPECT_EQ(result_["failures"], json::array());
}

TEST_F(StressProgram, ARunningTargetIsDrivenAndLeftRunning) {
  Running server({beside("stress_peer")});
  server.await_text("\n");
  const std::string address = server.output.substr(13, server.output.find('\n') - 13);
  EXPECT_EQ(run({"--target", address, "--duration", "0.3"}), 0) << output_;
  EXPECT_EQ(result_["target"], address);
  EXPECT_EQ(run({"--target", address, "--duration", "0.3"}), 0) << output_;
}

TEST_F(StressProgram, TheLuaEchoServiceReturnsEveryByte) {
  ASSERT_EQ(run({"--duration", "1"}), 0) << output_;
  EXPECT_THAT(result_["server_command"][0], EndsWith("/skysock"));
  EXPECT_GT(result_["half_closes_completed"], 0);
  EXPECT_EQ(result_["bytes_verified"], result_["bytes_sent"]);
}

TEST_F(StressProgram, AByteFlippedInTheLuaEchoServiceIsAMismatch) {
  std::ifstream original(SKYSOCK_SOURCE_DIR "/lua/examples/echo.lua");
  std::string script((std::istreambuf_iterator<char>(original)), {});
  const std::string call = "socket.write(id, data)";
  ASSERT_THAT(script, HasSubstr(call));
  script.replace(script.find(call), call.size(),
                 "socket.write(id, data:sub(1, -2) .. string.char(data:byte(-1) ~ 1))");
  const std::string path = directory_ + "/flipping_echo.lua";
  std::ofstream(path) << script;
  ASSERT_EQ(run({"--duration", "0.5", "--script", path}), 1) << output_;
  const json failure = first_failure("mismatch", "mismatches");
  const std::uint64_t offset = failure["offset"];
  expect_line_names_offset(failure, offset);
  const auto expected = Pattern(kSeed, failure["connection"]).byte_at(offset);
  EXPECT_EQ(failure["expected"], expected);
  EXPECT_EQ(failure["got"], expected ^ 1U);
}

TEST_F(StressProgram, AFlippedByteIsAMismatchAtItsOffsetWithBothBytes) {
  ASSERT_EQ(run_against("flip"), 1) << output_;
  const json failure = first_failure("mismatch", "mismatches");
  expect_line_names_offset(failure, 1000);
  const auto expected = Pattern(kSeed, failure["connection"]).byte_at(1000);
  EXPECT_EQ(failure["expected"], expected);
  EXPECT_EQ(failure["got"], expected ^ 1U);
}

TEST_F(StressProgram, ALeftOutByteIsAMismatchThatSaysWhereTheDataBelongs) {
  ASSERT_EQ(run_against("skip"), 1) << output_;
  const json failure = first_failure("mismatch", "mismatches");
  expect_line_names_offset(failure, 1000);
  EXPECT_THAT(failure["detail"],
              testing::AnyOf(HasSubstr("data of offset 1001"), HasSubstr("too few bytes")));
}

TEST_F(StressProgram, AnEarlyEndOfStreamIsALossAtTheFirstMissingOffset) {
  ASSERT_EQ(run_against("close-at"), 1) << output_;
  expect_line_names_offset(first_failure("loss", "losses"), 1000);
}

TEST_F(StressProgram, AResetIsALoss) {
  ASSERT_EQ(run_against("reset-at"), 1) << output_;
  const json failure = first_failure("loss", "losses");
  EXPECT_LE(failure["offset"], 1000);
}

TEST_F(StressProgram, OneByteMissingBeforeTheEndIsALossAtTheLastOffset) {
  ASSERT_EQ(run_against("drop-tail"), 1) << output_;
  const json failure = first_failure("loss", "losses");
  const std::string sent = std::to_string(failure["offset"].get<std::uint64_t>() + 1);
  EXPECT_EQ(failure["detail"], "end of stream with 1 of " + sent + " bytes not back");
}

TEST_F(StressProgram, AServerThatStopsAnsweringIsAHangAtTheFirstMissingOffset) {
  ASSERT_EQ(run_against("stall", {"--hang-timeout", "1"}), 1) << output_;
  expect_line_names_offset(first_failure("hang", "hangs"), 1000);
}

TEST_F(StressProgram, AStreamThatNeverEndsIsAHang) {
  ASSERT_EQ(run_against("no-end", {"--hang-timeout", "1"}), 1) << output_;
  const json failure = first_failure("hang", "hangs");
  EXPECT_THAT(failure["detail"], AllOf(HasSubstr("for end of stream"), HasSubstr("; 0 of ")));
}

TEST_F(StressProgram, OneByteTooManyIsExtra) {
  ASSERT_EQ(run_against("extra"), 1) << output_;
  const json failure = first_failure("extra", "extras");
  EXPECT_THAT(failure["detail"], HasSubstr("1 byte(s) came back that were never sent"));
}

TEST_F(StressProgram, AServerThatDiesIsNamedWithItsSignalAndItsLastWords) {
  ASSERT_EQ(run_against("die-at"), 1) << output_;
  const json failure = first_failure("server", "server_failures");
  EXPECT_THAT(failure["detail"], HasSubstr("died during the run: killed by signal 6"));
  EXPECT_THAT(output_, HasSubstr("stress_peer: planted death"));
  EXPECT_THAT(result_["server_stderr"], HasSubstr("planted death"));
}

TEST_F(StressProgram, AServerThatExitsWithAnotherStatusThanZeroFails) {
  ASSERT_EQ(run_against("bad-exit"), 1) << output_;
  const json failure = first_failure("server", "server_failures");
  EXPECT_THAT(failure["detail"], HasSubstr("exit status 3"));
  EXPECT_EQ(result_["bytes_verified"], result_["bytes_sent"]);
}

TEST_F(StressProgram, AServerThatIgnoresSigtermFailsAndIsKilled) {
  ASSERT_EQ(run_against("ignore-term", {"--server-timeout", "2"}), 1) << output_;
  const json failure = first_failure("server", "server_failures");
  EXPECT_THAT(failure["detail"], HasSubstr("did not end within 2 s"));
}

TEST_F(StressProgram, ThePrintedCommandRepeatsTheFailure) {
  ASSERT_EQ(run_against("flip"), 1) << output_;
  const std::string line = result_["failures"][0]["line"];
  const std::string repeat = line.substr(line.find("; repeat: ") + 10);
  Running again(split_words(repeat).value());
  EXPECT_EQ(again.await_exit(), 1);
  EXPECT_THAT(again.output, HasSubstr("FAIL mismatch: seed 5"));
}

TEST_F(StressProgram, AServerThatNeverListensCouldNotRun) {
  EXPECT_EQ(run_against("silent", {"--server-timeout", "0.5"}), 5) << output_;
  EXPECT_THAT(output_, HasSubstr("did not print 'listening on HOST:PORT' within 0.5 s"));
  EXPECT_EQ(result_["verdict"], "could_not_run");
}

TEST_F(StressProgram, AServerThatDoesNotStartCouldNotRun) {
  EXPECT_EQ(run({"--server", "/nonexistent/server"}), 5) << output_;
  EXPECT_THAT(output_, HasSubstr("cannot start '/nonexistent/server': No such file"));
  EXPECT_EQ(run({"--server", "false"}), 5) << output_;
  EXPECT_THAT(output_, HasSubstr("ended (exit status 1) before"));
}

TEST_F(StressProgram, ATargetWithoutAListenerCouldNotRun) {
  // Bound and not listening: connects are refused, and nobody else gets the port.
  Descriptor holder(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(holder.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(holder.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string target = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  EXPECT_EQ(run({"--target", target, "--duration", "0.3"}), 5) << output_;
  EXPECT_THAT(output_, HasSubstr("no connection to " + target + " could be made"));
  EXPECT_GT(result_["refused"], 0);
}

TEST_F(StressProgram, MoreConnectionsThanDescriptorsCouldNotRunAndSaysWhatIsNeeded) {
  EXPECT_EQ(run_against("none", {"--clients", "1024", "--connections", "20000"}), 5) << output_;
  EXPECT_THAT(output_, HasSubstr("needs 20480064 file descriptors in the server"));
}

TEST_F(StressProgram, WrongUsageExitsWithTwo) {
  EXPECT_EQ(run({"--clients", "none"}), 2);
  EXPECT_EQ(run({"--target", "nowhere"}), 2);
  EXPECT_THAT(output_, HasSubstr("'nowhere' is not HOST:PORT"));
  EXPECT_EQ(run({"--server", "'open"}), 2);
  EXPECT_EQ(run({"--json", "/nonexistent/result.json"}), 2);
  EXPECT_THAT(output_, HasSubstr("'/nonexistent/result.json': No such file or directory"));
}

TEST_F(StressProgram, ATuningThatSkysockRefusesIsWrongUsageInItsWords) {
  EXPECT_EQ(run({"--tuning", "nope=1"}), 2) << output_;
  EXPECT_THAT(output_, HasSubstr("skysock-stress: --tuning: no key 'nope'; expected one of"));
  EXPECT_THAT(output_, testing::Not(HasSubstr("ended (exit status 2)")));
  EXPECT_EQ(result_["exit_code"], 2);
}

TEST_F(StressProgram, AScriptThatCannotBeReadIsWrongUsage) {
  EXPECT_EQ(run({"--script", "nosuch.lua"}), 2) << output_;
  EXPECT_THAT(output_,
              HasSubstr("--script: cannot read 'nosuch.lua': No such file or directory\n"));
  EXPECT_EQ(run({"--script", directory_}), 2) << output_;
  EXPECT_THAT(output_, HasSubstr("': Is a directory\n"));
}

TEST_F(StressProgram, AKilledClientFailsTheRun) {
  Running running(command({"--server", peer("none"), "--duration", "1"}));
  running.await_text("client pids");
  const auto pids = running.pids_behind("client pids");
  ASSERT_EQ(pids.size(), 2U);
  ::kill(pids[1], SIGKILL);
  EXPECT_EQ(running.await_exit(), 1) << running.output << running.error;
  EXPECT_THAT(running.output, HasSubstr("client process 1 (pid " + std::to_string(pids[1]) +
                                        "): killed by signal 9"));
  read_result();
  EXPECT_EQ(result_["client_failures"], 1);
}

TEST_F(StressProgram, SigintStopsCleanlyAndIsNoPass) {
  Running running(command({"--server", peer("none"), "--duration", "40"}));
  running.await_text("client pids");
  running.signal(SIGINT);
  EXPECT_EQ(running.await_exit(), 130) << running.output << running.error;
  EXPECT_THAT(running.output, HasSubstr("\nINTERRUPTED: "));
  read_result();
  EXPECT_EQ(result_["bytes_verified"], result_["bytes_sent"]);
  EXPECT_EQ(result_["server_failures"], 0);
}

TEST_F(StressProgram, NoChildOutlivesAKilledParent) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // Orphans come to us.
  Running running(command({"--server", peer("none"), "--duration", "40"}));
  running.await_text("client pids");
  auto pids = running.pids_behind("client pids");
  ASSERT_EQ(pids.size(), 2U);
  const auto server = running.pids_behind("server pid ");
  ASSERT_EQ(server.size(), 1U);
  pids.push_back(server[0]);
  running.signal(SIGKILL);
  EXPECT_EQ(running.await_exit(), -1);
  for (const pid_t pid : pids) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    // By the parent-death signal; or, when the fork was only just done, because the parent was
    // gone.
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    EXPECT_TRUE(killed || ExitStatus(status).code() == 127) << ExitStatus(status).text();
  }
}

TEST_F(StressProgram, AFrozenMachineIsNoHangOfTheServer) {
  Running running(command({"--server", peer("none"), "--duration", "2", "--hang-timeout", "1.5"}));
  running.await_text("client pids");
  const auto clients = running.pids_behind("client pids");
  const auto servers = running.pids_behind("server pid ");
  const auto collect_for_ms = [&running](int ms) {
    const auto end = Clock::now() + std::chrono::milliseconds(ms);
    running.collect_until([end] { return Clock::now() >= end; });
  };
  // The server first, so that answers are due; it thaws last, so that none is there when the
  // clients look.
  for (const pid_t pid : servers) ::kill(pid, SIGSTOP);
  collect_for_ms(100);
  for (const pid_t pid : clients) ::kill(pid, SIGSTOP);
  collect_for_ms(2500);
  for (const pid_t pid : clients) ::kill(pid, SIGCONT);
  collect_for_ms(200);
  for (const pid_t pid : servers) ::kill(pid, SIGCONT);
  EXPECT_EQ(running.await_exit(), 0) << running.output << running.error;
}

}  // namespace
}  // namespace skysock::stress
