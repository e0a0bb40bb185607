#pragma once

// Every server that the benchmarks compare, as the processes that they start: the tests of a mode
// are run against all of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "bench/peers/raw_uring.hpp"
#include "bench/server_process.hpp"
#include "bench/settings.hpp"

namespace skysock::bench {

struct Program {
  const char* name;
  const char* program;
  const char* tuning;      ///< Of skysock.
  const char* lua_folder;  ///< Of its script; "": the C++ service.
};

inline void PrintTo(const Program& server, std::ostream* out) { *out << server.name; }

inline std::vector<std::string> command(const Program& server, const std::string& mode) {
  const std::string path = own_folder() + "/" + server.program;
  if (*server.tuning == '\0') return {path, "--mode", mode, "127.0.0.1", "0"};
  std::vector<std::string> words = {path, "--tuning", server.tuning};
  if (*server.lua_folder == '\0') {
    words.insert(words.end(), {"--native", mode, "--listen", "127.0.0.1:0"});
  } else {
    // The example is what a benchmark would want.
    const std::string folder = std::string(SKYSOCK_SOURCE_DIR) + "/" +
                               (mode == "udp_echo" ? "lua/examples" : server.lua_folder);
    words.insert(words.end(), {folder + "/" + mode + ".lua", "127.0.0.1", "0"});
  }
  return words;
}

inline constexpr const char* kLua = "bench/servers";
inline const auto kPrograms = testing::Values(
    Program{"RawEpoll", "raw_epoll_server", "", ""},
    Program{"RawUring", "raw_uring_server", "", ""}, Program{"Asio", "raw_asio_server", "", ""},
    Program{"Libuv", "raw_libuv_server", "", ""},
    Program{"NativeWithoutWorkers", "skysock", "workers=0", ""},
    Program{"NativeWithTwoWorkers", "skysock", "workers=2", ""},
    Program{"NativeOnUring", "skysock", "workers=0,poller=io_uring", ""},
    Program{"LuaWithoutWorkers", "skysock", "workers=0", kLua},
    Program{"LuaWithOneWorker", "skysock", "workers=1", kLua},
    Program{"LuaOnUring", "skysock", "workers=0,poller=io_uring", kLua});

/// One server of one mode, from SetUp() to TearDown(), when it must end well.
class ModeTest : public testing::TestWithParam<Program> {
 protected:
  explicit ModeTest(const char* mode) : mode_(mode) {}

  void SetUp() override {
    if (std::string(GetParam().program) == "raw_uring_server") {
      // On a thread of its own: the end of a ring interrupts the thread that used it.
      const auto usable = std::async(std::launch::async, check_uring).get();
      if (!usable) GTEST_SKIP() << usable.error();
    }
    auto started = ServerProcess::start(command(GetParam(), mode_), std::nullopt);
    ASSERT_TRUE(started) << started.error();
    server_.emplace(std::move(*started));
  }

  void TearDown() override {
    if (!server_) return;
    const auto stopped = server_->stop();
    EXPECT_TRUE(stopped) << stopped.error();
  }

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] pid_t pid() const { return server_->pid(); }

 private:
  const char* mode_;
  std::optional<ServerProcess> server_;
};

inline std::string name_of(const testing::TestParamInfo<Program>& info) { return info.param.name; }

}  // namespace skysock::bench
