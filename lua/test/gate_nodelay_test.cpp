// Does a gate that is opened with nodelay set TCP_NODELAY on what it accepts, and on nothing else?
// The script is watchdog and client; we look at the descriptors of this process.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "lua/bindings/node.hpp"

namespace skysock::lua {
namespace {

// Sets "ready" to the gate's port once the client's bytes have gone through the gate: by then what
// its connect callback asked for is done. CONF and OPTIONS are replaced.
constexpr const char* kScript = R"(
  local skynet = require "skynet"
  local socket = require "skynet.socket"
  local gate
  skynet.dispatch("lua", function(_, _, _, event, fd)
    if event == "open" then
      skynet.call(gate, "lua", "accept", fd)
    elseif event == "data" then
      skynet.setenv("ready", PORT)
    end
  end)
  skynet.start(function()
    gate = skynet.newservice "gate"
    local _, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0, CONF })
    PORT = port
    local client = assert(socket.open("127.0.0.1", port, OPTIONS))
    socket.write(client, "\0\1x")
  end)
)";

std::string script(const std::string& conf, const std::string& options) {
  std::string code = kScript;
  code.replace(code.find("CONF"), 4, conf);
  return code.replace(code.find("OPTIONS"), 7, options);
}

int port_of(const sockaddr_in& address) { return ntohs(address.sin_port); }

struct Ends {
  std::optional<bool> accepted;  // Whether it has TCP_NODELAY.
  std::optional<bool> client;
};

/// What this process has of the connection to `port`.
Ends ends_of(int port) {
  Ends ends;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_in here{};
    sockaddr_in there{};
    socklen_t size = sizeof here;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&here), &size) != 0) continue;
    size = sizeof there;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&there), &size) != 0) continue;
    int nodelay = 0;
    size = sizeof nodelay;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &size) != 0) continue;
    if (port_of(here) == port) ends.accepted = nodelay != 0;
    if (port_of(there) == port) ends.client = nodelay != 0;
  }
  return ends;
}

/// Both ends of a client's connection to a gate, on a server that leaves TCP_NODELAY alone.
Ends connect_to_gate(const std::string& conf, const std::string& options) {
  Tuning tuning;
  tuning.nodelay = 0;
  auto runtime = Runtime::start(tuning).value();
  const std::string lua = SKYSOCK_SOURCE_DIR "/lua";
  auto node = Node::make(*runtime,
                         {.lualib = lua + "/lualib",
                          .settings = {{"luaservice", lua + "/service/?.lua"}, {"start", "test"}}});
  const auto path = std::filesystem::path(testing::TempDir()) /
                    ("gate_nodelay_test_" + std::to_string(getpid()) + ".lua");
  std::ofstream(path) << script(conf, options);
  node->start(node->spawn_first({.name = "test", .path = path.string(), .arguments = {}}));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!node->setting("ready") && !node->failed() &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  Ends ends;
  if (const auto port = node->setting("ready")) ends = ends_of(std::stoi(std::string(*port)));
  runtime->request_stop();
  runtime->wait();
  std::filesystem::remove(path);
  EXPECT_FALSE(node->failed());
  return ends;
}

TEST(GateNodelay, AGateOpenedWithItSetsItOnWhatItAccepts) {
  for (const char* yes : {"nodelay = true", "nodelay = 1"}) {
    const Ends ends = connect_to_gate(yes, "nil");
    EXPECT_EQ(ends.accepted, true) << yes;
    EXPECT_EQ(ends.client, false) << yes;
  }
}

TEST(GateNodelay, AGateOpenedWithoutItLeavesItAlone) {
  for (const char* no : {"", "nodelay = false"}) {
    const Ends ends = connect_to_gate(no, "{nodelay = true}");
    EXPECT_EQ(ends.accepted, false) << no;
    EXPECT_EQ(ends.client, true) << "the option of open()";
  }
}

}  // namespace
}  // namespace skysock::lua
