// Can a server be stopped between two runs of a load, and is that time not held against it? Servers
// that take turns on one CPU are measured so.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "bench/load/broadcast_load.hpp"
#include "bench/load/connect_load.hpp"
#include "bench/load/tiny_modes.hpp"
#include "bench/load/udp_echo_load.hpp"
#include "bench/stream/blast_load.hpp"

namespace skysock::bench {
namespace {

using load::TinyMode;
using std::chrono::milliseconds;

constexpr milliseconds kDeadline{2'000};
constexpr milliseconds kStopped{150};

/// A tiny server in a process of its own.
class StoppableServer {
 public:
  explicit StoppableServer(TinyMode mode) {
    int pipe_ends[2];
    EXPECT_EQ(pipe(pipe_ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      const load::TinyModeServer server(mode);
      const std::uint16_t port = server.port();
      if (write(pipe_ends[1], &port, sizeof port) != sizeof port) _exit(1);
      while (true) pause();
    }
    const load::Fd from_child(pipe_ends[0]);
    const load::Fd to_parent(pipe_ends[1]);
    EXPECT_EQ(read(from_child.get(), &port_, sizeof port_), ssize_t{sizeof port_});
  }
  ~StoppableServer() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  StoppableServer(const StoppableServer&) = delete;
  StoppableServer& operator=(const StoppableServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

  void stop() const {
    kill(pid_, SIGSTOP);
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, WUNTRACED), pid_);
    EXPECT_TRUE(WIFSTOPPED(status));
  }
  void resume() const { kill(pid_, SIGCONT); }

 private:
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

template <typename Load>
void stop_between_runs(const StoppableServer& server, load::Outcome<Load> load) {
  ASSERT_TRUE(load) << load.error();
  for (int slice = 0; slice < 3; ++slice) {
    server.stop();
    std::this_thread::sleep_for(kStopped);
    server.resume();
    const auto work = load->run_for(milliseconds(20));
    ASSERT_TRUE(work) << work.error();
    EXPECT_GT(work->operations, 0U);
    server.stop();
    server.resume();
    const auto time = load->run(100);
    ASSERT_TRUE(time) << time.error();
  }
}

TEST(StoppedServer, UdpEchoLoad) {
  const StoppableServer server(TinyMode::udp_echo);
  stop_between_runs(server, load::UdpEchoLoad::open(
                                {.port = server.port(), .sockets = 8, .deadline = kDeadline}));
}

TEST(StoppedServer, BlastLoad) {
  const StoppableServer server(TinyMode::source);
  // The three stops together are longer than the silence that it accepts.
  stop_between_runs(
      server, BlastLoad::open(
                  {.port = server.port(), .fast = 4, .slow = 2, .deadline = milliseconds(400)}));
}

TEST(StoppedServer, BroadcastLoad) {
  const StoppableServer server(TinyMode::broadcast);
  stop_between_runs(server, load::BroadcastLoad::open(
                                {.port = server.port(), .subscribers = 8, .deadline = kDeadline}));
}

TEST(StoppedServer, ConnectLoad) {
  const StoppableServer server(TinyMode::connect);
  stop_between_runs(
      server, load::ConnectLoad::open({.port = server.port(), .order = 32, .deadline = kDeadline}));
}

}  // namespace
}  // namespace skysock::bench
