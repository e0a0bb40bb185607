// Is a server that does not start, or does not live through its measurement, always an error?

#include "bench/server_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "bench/load/echo_load.hpp"
#include "bench/peers/listener.hpp"
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

/// What is on our standard error once a server was started, which said so there, and stopped.
std::string said_when_it_ends_with(int code) {
  const std::string ends = "trap 'exit " + std::to_string(code) + "' TERM; ";
  testing::internal::CaptureStderr();
  {
    auto server = ServerProcess::start(
        {"/bin/sh", "-c",
         ends + "echo a reason >&2; echo listening on 127.0.0.1:1; while :; do sleep 0.01; done"},
        std::nullopt);
    EXPECT_TRUE(server);
    if (server) EXPECT_EQ(server->stop().has_value(), code == 0);
  }
  return testing::internal::GetCapturedStderr();
}

TEST(ServerProcess, WhatItSaidIsShownOnlyWhenItDoesNotEndWell) {
  EXPECT_EQ(said_when_it_ends_with(0), "");
  EXPECT_EQ(said_when_it_ends_with(3), "a reason\n");
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
                                      "while :; do :; done"},
                                     std::nullopt);
  ASSERT_TRUE(server) << server.error();
  const auto stopped = server->stop();
  ASSERT_FALSE(stopped);
  EXPECT_THAT(stopped.error(), HasSubstr("expected exit 0, exit 4"));
}

TEST(ServerProcess, APausedServerUsesNoCpuAndGoesOnAfterwards) {
  auto server = ServerProcess::start({"/bin/sh", "-c",
                                      "echo listening on 127.0.0.1:1;"
                                      "while :; do :; done"},
                                     std::nullopt);
  ASSERT_TRUE(server) << server.error();
  EXPECT_FALSE(server->paused());
  ASSERT_TRUE(server->pause());
  EXPECT_TRUE(server->paused());
  const auto before = server->cpu_time();
  for (int yield = 0; yield < 1'000; ++yield) sched_yield();
  EXPECT_EQ(server->cpu_time(), before);
  ASSERT_TRUE(server->resume());
  EXPECT_FALSE(server->paused());
  while (server->cpu_time() == before) sched_yield();  // ctest's limit ends it.
  ASSERT_TRUE(server->pause());
  server->allow_end_by_signal();
  const auto stopped = server->stop();  // Also out of a pause.
  EXPECT_TRUE(stopped) << stopped.error();
}

TEST(ServerProcess, AServerThatEndedCannotBePaused) {
  auto server = ServerProcess::start({"/bin/sh", "-c", "echo listening on 127.0.0.1:1; exit 3"},
                                     std::nullopt);
  ASSERT_TRUE(server) << server.error();
  load::Outcome<void> changed;
  while (changed) {  // It may be caught before its exit.
    changed = server->pause();
    if (changed) changed = server->resume();
  }
  EXPECT_THAT(changed.error(), HasSubstr("while it was measured: exit 3"));
}

TEST(ServerProcess, AServerThatIsToldItsPortIsReadyWhenItAccepts) {
  const auto port = port_of(listen_on("127.0.0.1", 0).value());
  auto server = ServerProcess::start_on(
      {own_folder() + "/raw_epoll_server", "127.0.0.1", std::to_string(port)}, port, std::nullopt);
  ASSERT_TRUE(server) << server.error();
  EXPECT_EQ(server->port(), port);
  EXPECT_TRUE(load::EchoLoad::open({.port = port}));
  EXPECT_TRUE(server->stop());
}

TEST(ServerProcess, AServerThatEndsBeforeItAcceptsIsAnError) {
  const auto port = port_of(listen_on("127.0.0.1", 0).value());
  const auto server = ServerProcess::start_on({"/bin/sh", "-c", "exit 7"}, port, std::nullopt);
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error(), HasSubstr(", exit 7"));
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
