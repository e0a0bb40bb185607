// Does every kind of load see every way a server can cheat? What is said of each is in the tests of
// each; here none of them may pass.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "bench/load/accept_load.hpp"
#include "bench/load/echo_load.hpp"
#include "bench/load/open_loop_load.hpp"
#include "bench/load/tiny_echo.hpp"
#include "bench/server_process.hpp"
#include "bench/settings.hpp"

namespace skysock::load {
namespace {

using bench::ServerProcess;
using std::chrono::milliseconds;
using testing::AnyOf;
using testing::HasSubstr;

constexpr milliseconds kDeadline{10'000};
constexpr const char* kNoError = "no error";

/// Drives the server on that port; what was wrong, or kNoError.
using Drive = std::function<std::string(std::uint16_t port, milliseconds deadline)>;

template <typename Value>
std::string error_of(const Outcome<Value>& outcome) {
  return outcome ? kNoError : outcome.error();
}

Drive echo_of_depth(std::size_t depth) {
  return [depth](std::uint16_t port, milliseconds deadline) {
    auto load =
        EchoLoad::open({.port = port, .connections = 2, .depth = depth, .deadline = deadline});
    return load ? error_of(load->run(20 * depth)) : load.error();
  };
}

Drive accept_with(Ending ending, bool burst) {
  return [ending, burst](std::uint16_t port, milliseconds deadline) {
    auto load = AcceptLoad::open(
        {.port = port, .in_flight = 4, .ending = ending, .burst = burst, .deadline = deadline});
    return load ? error_of(load->run(10)) : load.error();
  };
}

std::string open_loop(std::uint16_t port, milliseconds deadline) {
  auto load = OpenLoopLoad::open(
      {.port = port, .connections = 2, .per_second = 2'000, .deadline = deadline});
  return load ? error_of(load->run_for(milliseconds(30))) : load.error();
}

struct Kind {
  const char* name;
  Drive drive;
  /// Short connections have one read each; the others are opened by one; what an open loop sends
  /// after that may come in one piece.
  unsigned flaw_at;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

const Kind kKinds[] = {
    {"ping_pong", echo_of_depth(1), 3},
    {"depth_2", echo_of_depth(2), 3},
    {"depth_100", echo_of_depth(100), 3},
    {"fin", accept_with(Ending::fin, false), 1},
    {"rst", accept_with(Ending::rst, false), 1},
    {"rst_burst", accept_with(Ending::rst, true), 1},
    {"open_loop", open_loop, 2},
};

class WrongServer : public testing::TestWithParam<Kind> {
 protected:
  static std::string error_with(Flaw flaw, milliseconds deadline = kDeadline) {
    const TinyEcho server({.flaw = flaw, .flaw_at = GetParam().flaw_at});
    return GetParam().drive(server.port(), deadline);
  }
};

TEST_P(WrongServer, ARightOnePasses) { EXPECT_EQ(error_with(Flaw::none), kNoError); }

TEST_P(WrongServer, AChangedByteIsSeen) {
  EXPECT_THAT(error_with(Flaw::flip_byte), HasSubstr("expected 0x"));
}

TEST_P(WrongServer, ASurplusByteIsSeen) {
  // Where more answers are due it stands in the place of their first byte.
  EXPECT_THAT(error_with(Flaw::extra_byte),
              AnyOf(HasSubstr("bytes came back of"), HasSubstr("expected 1 byte back, received 2"),
                    HasSubstr("expected 0x")));
}

TEST_P(WrongServer, AnEarlyCloseIsSeen) {
  // RST instead of FIN when the server has not read all.
  EXPECT_THAT(error_with(Flaw::close_early),
              AnyOf(HasSubstr("the server closed"), HasSubstr("received end of stream"),
                    HasSubstr("reset by peer"), HasSubstr("Broken pipe")));
}

TEST_P(WrongServer, SilenceMeetsTheDeadline) {
  EXPECT_THAT(error_with(Flaw::silent, milliseconds(50)),
              AnyOf(HasSubstr("still wait for an answer after 50 ms"),
                    HasSubstr("of 10 connections were served within 50 ms")));
}

TEST_P(WrongServer, ACrashIsSeen) {
  auto server = ServerProcess::start({bench::own_folder() + "/tiny_echo_server", "--flaw", "crash",
                                      "--flaw-at", std::to_string(GetParam().flaw_at)},
                                     std::nullopt);
  ASSERT_TRUE(server) << server.error();
  EXPECT_THAT(GetParam().drive(server->port(), kDeadline),
              AnyOf(HasSubstr("the server closed"), HasSubstr("received end of stream"),
                    HasSubstr("reset by peer"), HasSubstr("Broken pipe"), HasSubstr("refused")));
  EXPECT_FALSE(server->stop());
}

INSTANTIATE_TEST_SUITE_P(Loads, WrongServer, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace skysock::load
