// Does a Lua service on a real runtime give back what it holds when it ends? (What scripts can see
// for themselves is tested by the Lua cases beside this file.)

#include "lua/bindings/service.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

namespace skysock::lua {
namespace {

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() : runtime_(std::move(Runtime::start(Tuning{}).value())) {}

  // Runs `code` as a service until it ends.
  void run_to_its_end(const std::string& code) {
    const auto path = std::filesystem::path(testing::TempDir()) /
                      ("service_test_" + std::to_string(getpid()) + ".lua");
    std::ofstream(path) << code;
    const Script script{
        .path = path.string(), .arguments = {}, .lualib = SKYSOCK_SOURCE_DIR "/lua/lualib"};
    const ServiceHandle service =
        runtime_->spawn("test", service_factory(*runtime_, script, failed_));
    runtime_->post(service, Message{.type = MessageType::system, .payload = {}});
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

  std::atomic<bool> failed_{false};
  std::unique_ptr<Runtime> runtime_;
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
  EXPECT_FALSE(failed_.load());
  EXPECT_EQ(runtime_->sockets().counts().accepts, 1U);
  EXPECT_TRUE(slots_used_becomes(0)) << runtime_->sockets().counts().slots_used << " slots leak";
}

TEST_F(ServiceTest, ErrorAtStartClosesEverySocketOfTheService) {
  run_to_its_end(opens_three_sockets_then("error 'planted'"));
  EXPECT_TRUE(failed_.load());
  EXPECT_TRUE(slots_used_becomes(0)) << runtime_->sockets().counts().slots_used << " slots leak";
}

TEST_F(ServiceTest, ScriptThatNeverStartsIsDoneWhenItsChunkEnds) {
  run_to_its_end("local x = 1");
  EXPECT_FALSE(failed_.load());
}

}  // namespace
}  // namespace skysock::lua
