// Does a Lua service on a real runtime give back what it holds when it ends? (What scripts can see
// for themselves is tested by the Lua cases beside this file.)

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "lua/bindings/node.hpp"

namespace skysock::lua {
namespace {

class ServiceTest : public testing::Test {
 protected:
  ServiceTest()
      : runtime_(std::move(Runtime::start(Tuning{}).value())),
        node_(Node::make(*runtime_, {.lualib = SKYSOCK_SOURCE_DIR "/lua/lualib", .settings = {}})) {
  }

  // Runs `code` as a service until it ends.
  void run_to_its_end(const std::string& code) {
    const auto path = std::filesystem::path(testing::TempDir()) /
                      ("service_test_" + std::to_string(getpid()) + ".lua");
    std::ofstream(path) << code;
    node_->start(node_->spawn_first({.name = "test", .path = path.string(), .arguments = {}}));
    runtime_->wait();
    std::filesystem::remove(path);
  }

  // The reactor works on while we look.
  bool slots_used_becomes(std::size_t expected) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (runtime_->sockets().counts().slots_used != expected) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::unique_ptr<Runtime> runtime_;
  std::shared_ptr<Node> node_;
};

constexpr const char* kOpensThreeSockets = R"(
  local skynet = require "skynet"
  local socket = require "skynet.socket"
  skynet.start(function()
    local listener, _, port = assert(socket.listen("127.0.0.1", 0))
    assert(socket.start(listener, function(id)
      assert(socket.start(id))
      assert(socket.write(id, "x"))
    end))
    local client = assert(socket.open("127.0.0.1", port))
    assert(socket.read(client) == "x")
    THEN()
  end)
)";

std::string opens_three_sockets_then(const std::string& ending) {
  std::string code = kOpensThreeSockets;
  return code.replace(code.find("THEN()"), 6, ending);
}

TEST_F(ServiceTest, ExitClosesEverySocketOfTheService) {
  run_to_its_end(opens_three_sockets_then("skynet.exit()"));
  EXPECT_FALSE(node_->failed());
  EXPECT_EQ(runtime_->sockets().counts().accepts, 1U);
  EXPECT_TRUE(slots_used_becomes(0)) << runtime_->sockets().counts().slots_used << " slots leak";
}

TEST_F(ServiceTest, ErrorAtStartClosesEverySocketOfTheService) {
  run_to_its_end(opens_three_sockets_then("error 'planted'"));
  EXPECT_TRUE(node_->failed());
  EXPECT_TRUE(slots_used_becomes(0)) << runtime_->sockets().counts().slots_used << " slots leak";
}

TEST_F(ServiceTest, ScriptThatNeverStartsIsDoneWhenItsChunkEnds) {
  run_to_its_end("local x = 1");
  EXPECT_FALSE(node_->failed());
}

}  // namespace
}  // namespace skysock::lua
