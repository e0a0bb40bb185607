// Does a service that binds a descriptor of somebody else get every byte of a file and of a pipe,
// and does its owner get the descriptor back open and with the flags it had? On a real kernel:
// epoll(7) refuses regular files, which the reactor has to notice.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <string>
#include <thread>

#include "core/base/prng.hpp"
#include "core/service/runtime.hpp"

namespace skysock {
namespace {

constexpr std::chrono::seconds kLimit{20};

std::string noise(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t at = 0; at < count; ++at) bytes[at] = static_cast<char>(mix64(at));
  return bytes;
}

/// Closed with the test.
struct Descriptor {
  explicit Descriptor(int fd_in) : fd(fd_in) { EXPECT_GE(fd, 0); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(fd); }
  [[nodiscard]] int flags() const { return fcntl(fd, F_GETFL); }  // NOLINT: vararg
  int fd;
};

struct Pipe {
  Pipe() { EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0); }
  std::array<int, 2> ends{-1, -1};
};

int file_with(const std::string& bytes) {
  std::string path = testing::TempDir() + "skysock_bind_XXXXXX";
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  unlink(path.c_str());
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
  return fd;
}

/// What a service got from a bound descriptor.
struct Got {
  std::string events;  ///< One letter each, DATA once in a row: o d c e.
  std::string bytes;
  int flags_while_bound = 0;  ///< When OPEN was handled; a pipe may have ended by then.
};

/// Binds `fd`, reads to its end, closes, and returns when the socket is gone.
Got read_all(const Descriptor& bound, const std::string& tuning) {
  const auto node = std::move(*Runtime::start(parse_tuning(tuning).value()));
  std::promise<void> ended;
  Got got;
  const auto note = [&](char letter) {
    if (!got.events.ends_with(letter) || letter != 'd') got.events += letter;
  };
  node->spawn("reader", [&](ServiceHandle self) -> MessageHandler {
    EXPECT_TRUE(node->sockets().bind(self, bound.fd).has_value());
    return [&, self](Message&& message) {
      const auto& socket = std::get<SocketMessage>(message.payload);
      switch (socket.type) {
        case SocketMessageType::connect:
          note('o');
          EXPECT_EQ(socket.data.text(), "binding");
          got.flags_while_bound = bound.flags();
          return;
        case SocketMessageType::data:
          note('d');
          got.bytes += socket.data.text();
          return;
        case SocketMessageType::close:
          note('c');
          EXPECT_TRUE(node->sockets()
                          .close(self, socket.id, CloseMode::soft, CloseAnswer::not_needed)
                          .has_value());
          ended.set_value();
          return;
        default:
          note('e');
      }
    };
  });
  EXPECT_EQ(ended.get_future().wait_for(kLimit), std::future_status::ready) << "no CLOSE";
  const auto limit = std::chrono::steady_clock::now() + kLimit;
  while (node->sockets().counts().slots_used > 0 && std::chrono::steady_clock::now() < limit) {
    std::this_thread::yield();
  }
  EXPECT_EQ(node->sockets().counts().slots_used, 0U);
  node->stop();
  return got;
}

class Bind : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Tunings, Bind,
                         testing::Values("workers=0", "workers=2",
                                         "workers=1,poller=epoll_et,control=pipe",
                                         "workers=0,poller=io_uring", "workers=2,poller=io_uring"),
                         [](const auto& tuning) { return std::to_string(tuning.index); });

TEST_P(Bind, AWholeFileIsReadAndItsFlagsAreAsBefore) {
  const std::string content = noise(3'000'001);
  const Descriptor file(file_with(content));
  const int flags = file.flags();
  const Got got = read_all(file, GetParam());
  EXPECT_EQ(got.events, "odc");
  EXPECT_TRUE(got.bytes == content) << got.bytes.size() << " bytes of " << content.size();
  EXPECT_NE(got.flags_while_bound & O_NONBLOCK, 0);
  EXPECT_EQ(file.flags(), flags);
}

TEST_P(Bind, AnEmptyFileEndsAtOnce) {
  const Descriptor file(file_with(""));
  EXPECT_EQ(read_all(file, GetParam()).events, "oc");
}

TEST_P(Bind, AWholePipeIsReadAndItsFlagsAreAsBefore) {
  const std::string content = noise(1'000'003);
  const Pipe pipe;
  const Descriptor reading(pipe.ends[0]);
  const int flags = reading.flags();
  std::jthread writer([&] {
    const Descriptor writing(pipe.ends[1]);
    for (std::size_t at = 0; at < content.size();) {
      const ssize_t count = write(writing.fd, content.data() + at, content.size() - at);
      ASSERT_GT(count, 0);
      at += static_cast<std::size_t>(count);
    }
  });
  const Got got = read_all(reading, GetParam());
  EXPECT_EQ(got.events, "odc");
  EXPECT_TRUE(got.bytes == content) << got.bytes.size() << " bytes of " << content.size();
  EXPECT_EQ(reading.flags(), flags);
}

TEST_P(Bind, ADescriptorThatWasNonBlockingStaysSo) {
  const Descriptor file(file_with("x"));
  ASSERT_EQ(fcntl(file.fd, F_SETFL, file.flags() | O_NONBLOCK), 0);  // NOLINT: vararg
  EXPECT_EQ(read_all(file, GetParam()).bytes, "x");
  EXPECT_NE(file.flags() & O_NONBLOCK, 0);
}

TEST_P(Bind, FlagsAreRestoredWhenTheNodeStopsWithTheSocketOpen) {
  const Pipe pipe;
  const Descriptor reading(pipe.ends[0]);
  const Descriptor writing(pipe.ends[1]);
  const int flags = reading.flags();
  std::promise<void> bound;
  {
    const auto node = std::move(*Runtime::start(parse_tuning(GetParam()).value()));
    node->spawn("reader", [&](ServiceHandle self) -> MessageHandler {
      EXPECT_TRUE(node->sockets().bind(self, reading.fd).has_value());
      return [&](Message&&) { bound.set_value(); };
    });
    ASSERT_EQ(bound.get_future().wait_for(kLimit), std::future_status::ready);
    EXPECT_NE(reading.flags(), flags);
  }
  EXPECT_EQ(reading.flags(), flags);
}

}  // namespace
}  // namespace skysock
