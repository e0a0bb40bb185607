// Do echo, sink and source keep what they promise to peers that behave, and to those that do not:
// that stop reading, reset, or close in the middle? On real threads and sockets.

#include "core/service/native_service.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <future>
#include <thread>
#include <vector>

#include "core/base/prng.hpp"
#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"

namespace skysock {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

constexpr std::chrono::seconds kLimit{20};

/// A blocking client whose calls fail, instead of waiting, after kLimit. They are repeated when
/// interrupted: a thread that had an io_uring is, some time after the ring was closed
/// (io_ring_exit_work), and a call with a time limit ends with EINTR then.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_bytes = 0)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = kLimit.count(), .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (receive_bytes > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    EXPECT_EQ(TEMP_FAILURE_RETRY(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to)), 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(fd_); }

  [[nodiscard]] int fd() const { return fd_; }

  bool write(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = TEMP_FAILURE_RETRY(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
      if (count <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return true;
  }

  /// The next `count` bytes; fewer at the end of the stream.
  [[nodiscard]] std::vector<std::byte> read(std::size_t count) const {
    std::vector<std::byte> bytes(count);
    std::size_t held = 0;
    while (held < count) {
      const ssize_t got = TEMP_FAILURE_RETRY(recv(fd_, bytes.data() + held, count - held, 0));
      if (got <= 0) break;
      held += static_cast<std::size_t>(got);
    }
    bytes.resize(held);
    return bytes;
  }

  /// The end of the stream, an error or a time limit: 0, or the errno.
  [[nodiscard]] int end() const {
    char byte = 0;
    return TEMP_FAILURE_RETRY(recv(fd_, &byte, 1, 0)) == 0 ? 0 : errno;
  }

  void finish_writing() const { shutdown(fd_, SHUT_WR); }

  /// close(2) sends RST instead of FIN.
  void reset_at_close() const {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

 private:
  int fd_;
};

/// A node that serves on a free port.
class Served {
 public:
  explicit Served(NativeMode mode, const std::string& tuning = "")
      : node_(std::move(*Runtime::start(native_tuning(parse_tuning(tuning).value(), mode)))) {
    auto listening = listening_.get_future();
    service_ = node_->spawn(
        "native",
        native_service(*node_, {.mode = mode, .host = "127.0.0.1"},
                       {.on_listening = [this](std::uint16_t port) { listening_.set_value(port); },
                        .on_failure = [](std::string_view reason) { ADD_FAILURE() << reason; },
                        .on_refusal = [](std::string_view reason) { ADD_FAILURE() << reason; }}));
    port_ = listening.wait_for(kLimit) == std::future_status::ready ? listening.get() : 0;
    EXPECT_NE(port_, 0);
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  Runtime& node() { return *node_; }
  SocketServerCounts counts() { return node_->sockets().counts(); }

  /// Whether `holds(counts)` becomes true in time.
  template <typename Holds>
  bool eventually(Holds holds) {
    const auto limit = steady_clock::now() + kLimit;
    while (!holds(counts())) {
      if (steady_clock::now() > limit) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
  }

  /// Nothing but the listener is left.
  bool settles() {
    return eventually([](const SocketServerCounts& now) { return now.slots_used == 1; });
  }

 private:
  std::unique_ptr<Runtime> node_;
  std::promise<std::uint16_t> listening_;
  ServiceHandle service_ = 0;
  std::uint16_t port_ = 0;
};

std::vector<std::byte> noise(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t at = 0; at < count; ++at) bytes[at] = static_cast<std::byte>(mix64(at));
  return bytes;
}

class NativeService : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Workers, NativeService, testing::Values("workers=0", "workers=2"),
                         [](const auto& tuning) {
                           return std::string("With") + (tuning.param + std::strlen("workers=")) +
                                  "Workers";
                         });

TEST_P(NativeService, EchoReturnsEveryByteAndThenTheEnd) {
  Served echo(NativeMode::echo, GetParam());
  const Client client(echo.port());
  const auto sent = noise(3'000'000);
  std::jthread writer([&] {
    EXPECT_TRUE(client.write(sent));
    client.finish_writing();
  });
  EXPECT_EQ(client.read(sent.size()), sent);
  EXPECT_EQ(client.end(), 0);
  EXPECT_TRUE(echo.settles());
}

TEST_P(NativeService, EchoHoldsAPeerThatDoesNotReadAndLosesNothing) {
  Served echo(NativeMode::echo, std::string(GetParam()) + ",send_buffer_bytes=65536");
  const Client client(echo.port(), 65'536);
  const auto sent = noise(16'000'000);
  std::jthread writer([&] { EXPECT_TRUE(client.write(sent)); });
  // Held, whatever was read until the service had its say, and read again once all is sent.
  const auto is = [&](State state) {
    return [&echo, state](const auto&) {
      return std::ranges::any_of(echo.node().sockets().netstat(),
                                 [&](const SocketInfo& info) { return info.state == state; });
    };
  };
  ASSERT_TRUE(echo.eventually(is(State::connected_held)));
  EXPECT_EQ(client.read(sent.size()), sent);
  EXPECT_TRUE(echo.eventually(is(State::connected)));
  EXPECT_EQ(echo.counts().limited_sends, 0U);
}

TEST_P(NativeService, EchoCutsOffAPeerRatherThanLeaveAHole) {
  // A limit below the first WARNING: nothing holds the peer back.
  Served echo(NativeMode::echo,
              std::string(GetParam()) + ",send_buffer_bytes=4096,output_limit_bytes=100000");
  const Client client(echo.port(), 4'096);
  const auto sent = noise(8'000'000);
  // It may get rid of all before it is cut off.
  std::jthread writer([&] { [[maybe_unused]] const bool taken = client.write(sent); });
  ASSERT_TRUE(echo.eventually([](const auto& now) { return now.limited_sends >= 1; }));
  writer.join();
  const auto got = client.read(sent.size());
  EXPECT_LT(got.size(), sent.size());
  EXPECT_TRUE(std::equal(got.begin(), got.end(), sent.begin()));
  EXPECT_TRUE(echo.settles());
}

TEST_P(NativeService, SinkReportsWhatItGotAndClosesAfterTheHalfClose) {
  Served sink(NativeMode::sink, GetParam());
  const Client client(sink.port());
  const SinkHeader header{.pattern_offset = 17, .report_every = 50'000};
  ASSERT_TRUE(client.write(std::as_bytes(std::span(&header, 1))));
  ASSERT_TRUE(client.write(stream_bytes(17, 50'000)));
  SinkReport report;
  const auto bytes = client.read(sizeof report);
  ASSERT_EQ(bytes.size(), sizeof report);
  std::memcpy(&report, bytes.data(), sizeof report);
  EXPECT_EQ(report.bytes, 50'000U);
  EXPECT_EQ(report.wrong_at, SinkReport::kNothingWrong);
  client.finish_writing();
  EXPECT_EQ(client.end(), 0);
  EXPECT_TRUE(sink.settles());
}

TEST_P(NativeService, SourceSendsThePatternToEveryPeer) {
  Served source(NativeMode::source, GetParam());
  const Client first(source.port());
  const Client second(source.port());
  for (std::uint64_t at = 0; at < 20'000'000; at += kStreamMessageBytesMax) {
    const auto want = stream_bytes(at, kStreamMessageBytesMax);
    for (const Client* client : {&first, &second}) {
      const auto got = client->read(kStreamMessageBytesMax);
      ASSERT_TRUE(std::equal(got.begin(), got.end(), want.begin(), want.end())) << "at " << at;
    }
  }
}

TEST_P(NativeService, SourceWaitsForAPeerThatDoesNotReadAndGoesOnWhenItDoes) {
  Served source(NativeMode::source, GetParam());
  const Client client(source.port(), 65'536);
  const auto output = [&] {
    std::uint64_t queued = 0;
    for (const SocketInfo& info : source.node().sockets().netstat()) queued += info.queued_bytes;
    return queued;
  };
  ASSERT_TRUE(source.eventually([](const auto& now) { return now.warnings >= 1; }));
  // Full: nothing is delivered or sent any more, until the peer reads.
  std::uint64_t seen = 0;
  int quiet = 0;
  ASSERT_TRUE(source.eventually([&](const auto&) {
    const std::uint64_t now = source.node().counts().delivered;
    quiet = now == std::exchange(seen, now) ? quiet + 1 : 0;
    return quiet == 50;
  }));
  EXPECT_LE(output(), static_cast<std::uint64_t>(kSourceOutputBytesMax));
  EXPECT_EQ(client.read(30'000'000).size(), 30'000'000U);
}

TEST_P(NativeService, SourceWithALimitBelowTheWarningStillSends) {
  Served source(NativeMode::source, std::string(GetParam()) + ",output_limit_bytes=100");
  const Client client(source.port(), 4'096);
  EXPECT_EQ(client.read(5'000'000).size(), 5'000'000U);
}

TEST_P(NativeService, SourceEndsWithItsPeer) {
  Served source(NativeMode::source, GetParam());
  {
    const Client client(source.port());
    EXPECT_EQ(client.read(1'000'000).size(), 1'000'000U);
  }
  EXPECT_TRUE(source.settles());
}

TEST_P(NativeService, APeerThatResetsWhileWeWriteDoesNotEndTheProcess) {
  Served source(NativeMode::source, GetParam());
  for (int turn = 0; turn < 20; ++turn) {
    const Client client(source.port());
    EXPECT_EQ(client.read(100'000).size(), 100'000U);
    client.reset_at_close();
  }
  EXPECT_TRUE(source.settles());
  EXPECT_EQ(source.counts().accepts, 20U);
}

TEST(NativeServiceStart, APortThatIsTakenIsAFailureWithItsReason) {
  Served first(NativeMode::echo);
  const auto node = std::move(*Runtime::start(Tuning{}));
  std::promise<std::string> failed;
  node->spawn("second",
              native_service(
                  *node, {.host = "127.0.0.1", .port = first.port()},
                  {.on_listening = [](std::uint16_t) { ADD_FAILURE() << "it listens"; },
                   .on_failure = [&](std::string_view why) { failed.set_value(std::string(why)); },
                   .on_refusal = [](std::string_view) {}}));
  auto reason = failed.get_future();
  ASSERT_EQ(reason.wait_for(kLimit), std::future_status::ready);
  EXPECT_THAT(reason.get(), HasSubstr("in use"));
}

TEST(NativeServiceStart, ADatagramSocketThatIsNotMadeInTimeIsAFailure) {
  const auto node = std::move(*Runtime::start(parse_tuning("workers=0").value()));
  std::promise<void> stuck;
  std::promise<void> end;
  // Without workers it runs on the reactor's thread.
  const ServiceHandle busy = node->spawn("busy", [&](ServiceHandle) -> MessageHandler {
    return [&](Message&&) {
      stuck.set_value();
      end.get_future().wait();
    };
  });
  node->post(busy, {.type = MessageType::response, .session = 1, .payload = {}});
  stuck.get_future().wait();
  std::string failure;
  node->spawn("late",
              native_service(*node, {.mode = NativeMode::udp_echo, .host = "127.0.0.1"},
                             {.on_listening = [](std::uint16_t) { ADD_FAILURE() << "it listens"; },
                              .on_failure = [&](std::string_view why) { failure = why; },
                              .on_refusal = [](std::string_view) {}}));
  EXPECT_THAT(failure, HasSubstr("did not say its port"));
  end.set_value();
}

}  // namespace
}  // namespace skysock
