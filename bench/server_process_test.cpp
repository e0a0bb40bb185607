// Is a server that does not start, or does not live through its measurement, always an error?

#include "bench/server_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/load/echo_load.hpp"
#include "bench/settings.hpp"

namespace skysock::bench {
namespace {

using testing::HasSubstr;

std::string start_error(std::vector<std::string> argv) {
  const auto server = ServerProcess::start(std::move(argv), std::nullopt);
  return server ? "no error" : server.error();
}

void expect_echo_and_clean_end(std::vector<std::string> argv) {
  auto server = ServerProcess::start(std::move(argv), std::nullopt);
  ASSERT_TRUE(server) << server.error();
  {
    auto load = load::EchoLoad::open({.port = server->port(), .connections = 3});
    ASSERT_TRUE(load) << load.error();
    const auto time = load->run(100);
    EXPECT_TRUE(time) << time.error();
  }
  EXPECT_GT(server->cpu_time().count(), 0);
  const auto stopped = server->stop();
  EXPECT_TRUE(stopped) << stopped.error();
}

TEST(ServerProcess, RawEpollServerServesAndEnds) {
  expect_echo_and_clean_end({own_folder() + "/raw_epoll_server", "127.0.0.1", "0"});
}

TEST(ServerProcess, NativeServiceServesAndEnds) {
  expect_echo_and_clean_end({own_folder() + "/skysock", "--native", "echo", "--listen",
                             "127.0.0.1:0", "--tuning", "workers=2"});
}

TEST(ServerProcess, AProgramThatDoesNotExistIsNamed) {
  EXPECT_THAT(start_error({"/no/such/program"}), HasSubstr("/no/such/program"));
  EXPECT_THAT(start_error({"/no/such/program"}), HasSubstr("exit 127"));
}

TEST(ServerProcess, AnotherFirstLineIsQuoted) {
  EXPECT_THAT(start_error({"/bin/echo", "hello"}), HasSubstr("'hello\n'"));
  EXPECT_THAT(start_error({"/bin/echo", "listening on 127.0.0.1:0"}), HasSubstr("expected"));
}

TEST(ServerProcess, AnEndBeforeStopIsAnError) {
  auto server = ServerProcess::start({"/bin/sh", "-c", "echo listening on 127.0.0.1:1; exit 3"},
                                     std::nullopt);
  ASSERT_TRUE(server) << server.error();
  EXPECT_FALSE(server->stop());
}

TEST(ServerProcess, ABadExitCodeAfterSigtermIsAnError) {
  auto server = ServerProcess::start({"/bin/sh", "-c",
                                      "trap 'exit 4' TERM; echo listening on 127.0.0.1:1;"
                                      "while :; do read -r line; done </dev/zero"},
                                     std::nullopt);
  ASSERT_TRUE(server) << server.error();
  const auto stopped = server->stop();
  ASSERT_FALSE(stopped);
  EXPECT_THAT(stopped.error(), HasSubstr("exit 4"));
}

TEST(Placement, NamesOutsideTheListAreRefused) {
  EXPECT_FALSE(place("moon"));
  EXPECT_TRUE(place("free"));
  const auto same = place("same-cpu");
  ASSERT_TRUE(same);
  EXPECT_EQ(same->server_cpu, same->load_cpu);
}

}  // namespace
}  // namespace skysock::bench
