// Is a borrowed descriptor used and given back as it was: both ends of a pipe, a file, a socket;
// never closed, never shut down, blocking again if it was blocking?

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

template <typename Sys>
class BorrowedOn : public testing::Test {
 protected:
  /// Kept by the test, blocking, as an inherited descriptor is.
  PipeEnds pipe() {
    const PipeEnds ends = world_.sys.make_pipe().value();
    for (const int fd : {world_.keep(ends.read_fd), world_.keep(ends.write_fd)}) {
      EXPECT_TRUE(world_.sys.set_nonblocking(fd, false).has_value());
    }
    return ends;
  }
  SocketId bound(int fd) {
    const SocketId id = world_.server->bind(kOwner, fd).value();
    const Event* open = world_.wait_for(EventKind::open, id);
    EXPECT_NE(open, nullptr);
    if (open != nullptr) {
      EXPECT_EQ(open->data.text(), "binding");
    }
    return id;
  }
  void write(int fd, std::string_view text) {
    EXPECT_EQ(world_.sys.write(fd, std::as_bytes(std::span(text))).value_or(0), text.size());
  }
  void expect_blocking(int fd) {
    const Result<bool> was_nonblocking = world_.sys.set_nonblocking(fd, false);
    ASSERT_TRUE(was_nonblocking.has_value()) << "it was closed";
    EXPECT_FALSE(*was_nonblocking);
  }

  World<Sys> world_;
};
TYPED_TEST_SUITE(BorrowedOn, TestKernels, KernelNames);

TYPED_TEST(BorrowedOn, APipeIsReadUntilItsWriterIsGone) {
  auto& world = this->world_;
  const PipeEnds ends = this->pipe();
  const SocketId id = this->bound(ends.read_fd);
  this->write(ends.write_fd, "one ");
  EXPECT_TRUE(world.until([&] { return world.data_of(id) == "one "; }));
  this->write(ends.write_fd, "two");
  world.peer_close(ends.write_fd);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  EXPECT_EQ(world.data_of(id), "one two");
  EXPECT_EQ(world.story_of(id), "ODDC");
  world.close(id);
  EXPECT_TRUE(world.until([&] { return world.server->state(id) == State::free; }));
  this->expect_blocking(ends.read_fd);
}

TYPED_TEST(BorrowedOn, APipeIsWrittenInOrderAndNeverDirectly) {
  auto& world = this->world_;
  const PipeEnds ends = this->pipe();
  const SocketId id = this->bound(ends.write_fd);
  ASSERT_TRUE(world.sys.set_nonblocking(ends.read_fd, true).has_value());
  EXPECT_EQ(world.server->send(id, Block::copy_of("a")).value(), SendOutcome::queued);
  EXPECT_TRUE(world.send(id, "b"));
  const std::string large(200'000, 'c');
  EXPECT_TRUE(world.send(id, large));
  EXPECT_EQ(world.peer_read(ends.read_fd, 200'002).text, "ab" + large);
  EXPECT_EQ(world.server->counts().direct_writes, 0U);
}

TYPED_TEST(BorrowedOn, ClosingGivesItBackOpenAndBlocking) {
  auto& world = this->world_;
  for (const CloseMode mode : {CloseMode::soft, CloseMode::abortive}) {
    const PipeEnds ends = this->pipe();
    const SocketId in = this->bound(ends.read_fd);
    const SocketId out = this->bound(ends.write_fd);
    for (const SocketId id : {in, out}) {
      world.close(id, mode);
      ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
      EXPECT_EQ(world.story_of(id), "OC");
      EXPECT_EQ(world.server->state(id), State::free) << "there is nothing to linger for";
    }
    this->expect_blocking(ends.read_fd);
    this->expect_blocking(ends.write_fd);
    this->write(ends.write_fd, "still a pipe");
    EXPECT_EQ(world.peer_read(ends.read_fd, 12).text, "still a pipe");
  }
}

TYPED_TEST(BorrowedOn, ADescriptorThatWasNonBlockingStaysSo) {
  auto& world = this->world_;
  const PipeEnds ends = this->pipe();
  ASSERT_TRUE(world.sys.set_nonblocking(ends.read_fd, true).has_value());
  const SocketId id = this->bound(ends.read_fd);
  world.close(id);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  EXPECT_TRUE(world.sys.set_nonblocking(ends.read_fd, true).value());
}

TYPED_TEST(BorrowedOn, TheEndOfTheServerGivesThemBackToo) {
  auto& world = this->world_;
  const PipeEnds ends = this->pipe();
  this->bound(ends.read_fd);
  EXPECT_TRUE(world.server->bind(kOwner, ends.write_fd).has_value());  // Still in the channel.
  world.server.reset();
  this->expect_blocking(ends.read_fd);
  this->expect_blocking(ends.write_fd);
}

TYPED_TEST(BorrowedOn, ItMayBeBoundAgainAfterwards) {
  auto& world = this->world_;
  const PipeEnds ends = this->pipe();
  for (int turn = 0; turn < 3; ++turn) {
    const SocketId id = this->bound(ends.read_fd);
    this->write(ends.write_fd, "again");
    EXPECT_TRUE(world.until([&] { return world.data_of(id) == "again"; }));
    world.close(id);
    ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  }
}

TYPED_TEST(BorrowedOn, AHeldPipeIsReadAfterItsStart) {
  auto& world = this->world_;
  const PipeEnds ends = this->pipe();
  const SocketId id = this->bound(ends.read_fd);
  ASSERT_TRUE(world.server->hold(kOwner, id).has_value());
  world.settle();
  this->write(ends.write_fd, "later");
  world.settle();
  EXPECT_EQ(world.data_of(id), "");
  ASSERT_TRUE(world.server->start(kOwner, id).has_value());
  EXPECT_TRUE(world.until([&] { return world.data_of(id) == "later"; }));
}

TYPED_TEST(BorrowedOn, AWriterOfAHeldPipeThatLeavesEndsItAfterItsData) {
  auto& world = this->world_;
  const PipeEnds ends = this->pipe();
  const SocketId id = this->bound(ends.read_fd);
  ASSERT_TRUE(world.server->hold(kOwner, id).has_value());
  world.settle();
  this->write(ends.write_fd, "last words");
  world.peer_close(ends.write_fd);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr) << "EPOLLHUP cannot be turned off";
  EXPECT_EQ(world.story_of(id), "ODC");
  EXPECT_EQ(world.data_of(id), "last words");
}

TYPED_TEST(BorrowedOn, ASocketIsNeitherShutDownNorClosed) {
  auto& world = this->world_;
  const auto pair = world.connection();
  const int fd = world.client();
  EXPECT_TRUE(world.until([&] { return world.count(EventKind::accept, pair.listener) == 2; }));
  const auto far = static_cast<SocketId>(world.events.back().ud);
  ASSERT_TRUE(world.server->start(kOwner, far).has_value());
  ASSERT_NE(world.wait_for(EventKind::open, far), nullptr);
  const SocketId id = this->bound(fd);
  ASSERT_TRUE(world.send(id, "through a borrowed one"));
  EXPECT_TRUE(world.until([&] { return world.data_of(far) == "through a borrowed one"; }));
  ASSERT_TRUE(world.send(far, "back"));
  EXPECT_TRUE(world.until([&] { return world.data_of(id) == "back"; }));
  world.close(id);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  world.settle();
  EXPECT_EQ(world.count(EventKind::close, far), 0U);
  world.peer_send(fd, "!");
  EXPECT_TRUE(world.until([&] { return world.data_of(far) == "through a borrowed one!"; }));
}

TYPED_TEST(BorrowedOn, ANegativeDescriptorIsRefusedAndAClosedOneIsAnError) {
  auto& world = this->world_;
  EXPECT_EQ(world.server->bind(kOwner, -1).error(), std::errc::bad_file_descriptor);
  const PipeEnds ends = this->pipe();
  world.peer_close(ends.read_fd);
  const SocketId id = world.server->bind(kOwner, ends.read_fd).value();
  const Event* error = world.wait_for(EventKind::error, id);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "Bad file descriptor");
  world.settle();
  EXPECT_EQ(world.story_of(id), "E");
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

TYPED_TEST(BorrowedOn, AWriteEndWhoseReaderIsGoneSaysSo) {
  auto& world = this->world_;
  const PipeEnds ends = this->pipe();
  const SocketId id = this->bound(ends.write_fd);
  world.peer_close(ends.read_fd);
  const Event* error = world.wait_for(EventKind::error, id);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "Broken pipe");
}

/// With edges, a socket that is started again is looked at without being told to.
TYPED_TEST(BorrowedOn, AWriteEndThatWasHeldAndStartedStillWrites) {
  auto& world = this->world_;
  const PipeEnds ends = this->pipe();
  const SocketId id = this->bound(ends.write_fd);
  ASSERT_TRUE(world.server->hold(kOwner, id).has_value());
  world.settle();
  ASSERT_TRUE(world.server->start(kOwner, id).has_value());
  world.settle();
  ASSERT_TRUE(world.sys.set_nonblocking(ends.read_fd, true).has_value());
  ASSERT_TRUE(world.send(id, "still here"));
  EXPECT_EQ(world.peer_read(ends.read_fd, 10).text, "still here");
  EXPECT_EQ(world.count(EventKind::error, id), 0U);
}

/// epoll(7) refuses files: they are always ready.
template <typename Sys>
int file_with(World<Sys>& world, std::string_view contents) {
  if constexpr (std::is_same_v<Sys, SimKernel>) {
    return world.keep(world.sys.lend_file(contents));
  } else {
    std::FILE* file = std::tmpfile();
    EXPECT_EQ(std::fwrite(contents.data(), 1, contents.size(), file), contents.size());
    EXPECT_EQ(std::fflush(file), 0);
    const int fd = world.keep(dup(fileno(file)));
    EXPECT_EQ(std::fclose(file), 0);
    EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
    return fd;
  }
}

TYPED_TEST(BorrowedOn, AFileIsReadToItsEndThenWrittenAndNothingSpins) {
  auto& world = this->world_;
  const std::string contents(1'000'000, 'f');
  const int fd = file_with(world, contents);
  const SocketId id = this->bound(fd);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  EXPECT_EQ(world.data_of(id).size(), contents.size());
  ASSERT_TRUE(world.send(id, "appended"));
  EXPECT_TRUE(world.until([&] { return world.info_of(id).written_bytes == 8; }));
  world.settle();
  const std::uint64_t wakeups = world.server->counts().wakeups;
  world.settle();
  EXPECT_EQ(world.server->counts().wakeups, wakeups) << "it spins";
  world.close(id);
  EXPECT_TRUE(world.until([&] { return world.server->state(id) == State::free; }));
  EXPECT_EQ(world.count(EventKind::close, id), 1U);
}

TEST(Borrowed, AFileThatIsOpenForWritingOnlyIsWrittenAndNothingSpins) {
  World<LinuxSys> world;
  const std::string path = testing::TempDir() + "skysock_borrowed_" + std::to_string(getpid());
  const int fd = world.keep(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  ASSERT_GE(fd, 0);
  const SocketId id = world.server->bind(kOwner, fd).value();
  ASSERT_NE(world.wait_for(EventKind::open, id), nullptr);
  for (const std::string line : {"first\n", "second\n"}) {
    ASSERT_TRUE(world.send(id, line));
    world.settle();
    const std::uint64_t wakeups = world.server->counts().wakeups;
    world.settle();
    EXPECT_EQ(world.server->counts().wakeups, wakeups) << "it spins";
  }
  world.close(id);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  EXPECT_EQ(world.story_of(id), "OC");
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "first\nsecond\n");
  EXPECT_EQ(std::remove(path.c_str()), 0);
}

TYPED_TEST(BorrowedOn, AHeldFileIsReadAfterItsStartOnly) {
  auto& world = this->world_;
  const int fd = file_with(world, std::string(1'000'000, 'f'));
  const SocketId id = this->bound(fd);
  ASSERT_TRUE(world.server->hold(kOwner, id).has_value());
  world.settle();
  const std::size_t read = world.data_of(id).size();
  ASSERT_LT(read, 1'000'000U) << "too late to prove anything";
  const std::uint64_t wakeups = world.server->counts().wakeups;
  world.settle();
  EXPECT_EQ(world.data_of(id).size(), read);
  EXPECT_EQ(world.server->counts().wakeups, wakeups) << "it spins";
  ASSERT_TRUE(world.server->start(kOwner, id).has_value());
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  EXPECT_EQ(world.data_of(id).size(), 1'000'000U);
}

}  // namespace
}  // namespace skysock
