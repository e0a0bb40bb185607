// Do LinuxSys and SimKernel give the same answers about descriptors, pipes, events and files? Every
// test runs on both; the other *_conformance_test.cpp ask the same about sockets and epoll. Left
// out: calls that block.

#include "core/sim/conformance.hpp"

namespace skysock::conformance {
namespace {

// ---- Descriptors and pipes

template <typename Sys>
class PipeConformance : public KernelTest<Sys> {};
TYPED_TEST_SUITE(PipeConformance, Kernels, KernelName);

TYPED_TEST(PipeConformance, TheLowestFreeDescriptorIsGivenFirst) {
  const int first = this->own(this->sys.open_spare());
  const int second = this->own(this->sys.open_spare());
  EXPECT_GE(first, 3);
  EXPECT_GT(second, first);
  this->close(first);
  EXPECT_EQ(this->own(this->sys.open_spare()), first);
}

TYPED_TEST(PipeConformance, ASpareOnlyHoldsItsPlace) {
  const int spare = this->own(this->sys.open_spare());
  EXPECT_EQ(this->read(spare), "(end)");
  EXPECT_EQ(this->write(spare, "x"), "EBADF");
  const int set = this->own(this->sys.epoll_create());
  EXPECT_EQ(outcome(this->sys.epoll_add(set, spare, EPOLLIN, 0)), "EPERM");
}

TYPED_TEST(PipeConformance, AnEmptyPipeHasNothingToReadYet) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->read(pipe.read_fd), "EAGAIN");
  EXPECT_TRUE(this->becomes(pipe.read_fd, 0));
  EXPECT_TRUE(this->becomes(pipe.write_fd, EPOLLOUT));
}

TYPED_TEST(PipeConformance, BytesComeOutInOrderAndInPieces) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, "first "), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "second"), "ok");
  EXPECT_TRUE(this->becomes(pipe.read_fd, EPOLLIN));
  EXPECT_EQ(this->read(pipe.read_fd, 8), "first se");
  EXPECT_TRUE(this->becomes(pipe.read_fd, EPOLLIN));
  EXPECT_EQ(this->read(pipe.read_fd), "cond");
  EXPECT_TRUE(this->becomes(pipe.read_fd, 0));
}

TYPED_TEST(PipeConformance, TheEndComesBehindTheBytesOfAClosedWriter) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, "last"), "ok");
  this->close(pipe.write_fd);
  EXPECT_TRUE(this->becomes(pipe.read_fd, EPOLLIN | EPOLLHUP));
  EXPECT_EQ(this->read(pipe.read_fd), "last");
  EXPECT_TRUE(this->becomes(pipe.read_fd, EPOLLHUP));
  EXPECT_EQ(this->read(pipe.read_fd), "(end)");
  EXPECT_EQ(this->read(pipe.read_fd), "(end)");
}

TYPED_TEST(PipeConformance, WritingWhatNobodyCanReadIsABrokenPipe) {
  const PipeEnds pipe = this->make_pipe();
  this->close(pipe.read_fd);
  EXPECT_TRUE(this->becomes(pipe.write_fd, EPOLLOUT | EPOLLERR));
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "EPIPE");
}

TYPED_TEST(PipeConformance, APipeHasOneDirection) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->read(pipe.write_fd), "EBADF");
  EXPECT_EQ(this->write(pipe.read_fd, "x"), "EBADF");
}

TYPED_TEST(PipeConformance, AWholePipeIsWrittenAndReadAtOnce) {
  const PipeEnds pipe = this->make_pipe();
  std::string whole(65'536, 'a');
  whole.back() = 'z';
  EXPECT_EQ(this->write(pipe.write_fd, whole), "ok");
  EXPECT_TRUE(this->becomes(pipe.write_fd, 0));
  EXPECT_EQ(this->read(pipe.read_fd, whole.size() + 1), whole);
  EXPECT_TRUE(this->becomes(pipe.write_fd, EPOLLOUT));
}

TYPED_TEST(PipeConformance, AFullPipeNobodyReadsIsNotWritable) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write(pipe.write_fd, std::string(65'536, 'a')), "ok");
  this->close(pipe.read_fd);
  EXPECT_TRUE(this->becomes(pipe.write_fd, EPOLLERR));
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "EPIPE");
}

TYPED_TEST(PipeConformance, PartsAreWrittenInOrder) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->write_parts(pipe.write_fd, {"one, ", "", "two"}), "8");
  EXPECT_EQ(this->read(pipe.read_fd), "one, two");
  EXPECT_EQ(this->write_parts(pipe.write_fd, {}), "0");
  this->close(pipe.read_fd);
  EXPECT_EQ(this->write_parts(pipe.write_fd, {"x"}), "EPIPE");
}

TYPED_TEST(PipeConformance, AFullPipeWithoutBlockingTakesWhatFits) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(outcome(this->sys.set_nonblocking(pipe.write_fd, true)), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, std::string(65'536, 'a')), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "EAGAIN");
  EXPECT_EQ(this->read(pipe.read_fd, 4'096).size(), 4'096U);
  const std::string page(4'096, 'b');
  EXPECT_EQ(this->write_parts(pipe.write_fd, {page, page}), "4096");
  EXPECT_EQ(this->write_parts(pipe.write_fd, {page, page}), "EAGAIN");
}

TYPED_TEST(PipeConformance, AnAtomicWriteIsNeverSplitAndALargerOneIs) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(outcome(this->sys.set_nonblocking(pipe.write_fd, true)), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, std::string(61'440, 'a')), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, std::string(100, 'b')), "ok");
  EXPECT_EQ(this->write(pipe.write_fd, std::string(3'997, 'c')), "EAGAIN");
  EXPECT_EQ(this->write(pipe.write_fd, std::string(3'996, 'c')), "ok");
  EXPECT_EQ(this->read(pipe.read_fd, 8'192).size(), 8'192U);
  const std::string large(100'000, 'd');
  const std::size_t written = this->sys.write(pipe.write_fd, bytes_of(large)).value();
  EXPECT_EQ(class_of(written, large.size()), "part");
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "EAGAIN");
}

TYPED_TEST(PipeConformance, NothingCanBeWrittenAndReadWhateverTheState) {
  const PipeEnds pipe = this->make_pipe();
  EXPECT_EQ(this->read(pipe.read_fd, 0), "(end)");
  EXPECT_EQ(this->write(pipe.write_fd, ""), "ok");
  EXPECT_TRUE(this->becomes(pipe.read_fd, 0));
  EXPECT_EQ(this->read(pipe.write_fd, 0), "EBADF");
  EXPECT_EQ(this->write(pipe.read_fd, ""), "EBADF");
  this->close(pipe.read_fd);
  EXPECT_EQ(this->write(pipe.write_fd, ""), "ok") << "only a byte breaks the pipe";
  EXPECT_EQ(this->write(pipe.write_fd, "x"), "EPIPE");
}

TYPED_TEST(PipeConformance, BlockingIsSwitchedAndTheWayBackIsKnown) {
  const PipeEnds pipe = this->make_pipe();
  auto& kernel = this->sys;
  EXPECT_TRUE(kernel.set_nonblocking(pipe.read_fd, true).value());
  EXPECT_FALSE(kernel.set_nonblocking(pipe.write_fd, true).value());
  EXPECT_TRUE(kernel.set_nonblocking(pipe.write_fd, false).value());
  EXPECT_FALSE(kernel.set_nonblocking(pipe.write_fd, false).value());
  EXPECT_TRUE(kernel.set_nonblocking(this->make_socket(), true).value());
  EXPECT_TRUE(kernel.set_nonblocking(this->make_datagrams(), true).value());
  EXPECT_TRUE(kernel.set_nonblocking(this->accept_one(), true).value());
  EXPECT_TRUE(kernel.set_nonblocking(this->own(kernel.make_event()), true).value());
}

// ---- Events and files

template <typename Sys>
class FileConformance : public KernelTest<Sys> {};
TYPED_TEST_SUITE(FileConformance, Kernels, KernelName);

TYPED_TEST(FileConformance, AnEventCountsItsSignals) {
  const int event = this->own(this->sys.make_event());
  EXPECT_EQ(this->read(event), "EAGAIN");
  EXPECT_TRUE(this->becomes(event, EPOLLOUT));
  for (int signal = 0; signal < 3; ++signal) this->sys.signal_event(event);
  EXPECT_TRUE(this->becomes(event, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->read(event, 7), "EINVAL");
  EXPECT_EQ(this->read(event), std::string("\3\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(this->read(event), "EAGAIN");
}

TYPED_TEST(FileConformance, AnEventIsSignalledByAWriteToo) {
  const int event = this->own(this->sys.make_event());
  const std::string two("\2\0\0\0\0\0\0\0", 8);
  EXPECT_EQ(this->write(event, "short"), "EINVAL");
  EXPECT_EQ(this->write(event, two), "ok");
  this->sys.signal_event(event);
  EXPECT_EQ(this->read(event), std::string("\3\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(this->write(event, std::string(8, '\xff')), "EINVAL");
  const std::string most = "\xfe" + std::string(7, '\xff');
  EXPECT_EQ(this->write(event, most), "ok");
  EXPECT_TRUE(this->becomes(event, EPOLLIN));
  EXPECT_EQ(this->write(event, two), "EAGAIN");
  this->sys.signal_event(event);
  EXPECT_EQ(this->read(event), most);
}

TYPED_TEST(FileConformance, AFullEventIsSignalledInVainAndReadToNothing) {
  const int event = this->own(this->sys.make_event());
  const std::string most = "\xfe" + std::string(7, '\xff');
  EXPECT_EQ(this->write(event, std::string(8, '\0')), "ok");
  EXPECT_EQ(this->read(event), "EAGAIN") << "zero is no signal";
  this->sys.signal_event(event);
  EXPECT_EQ(this->write(event, most), "EAGAIN") << "one too many";
  EXPECT_EQ(this->read(event, 8), std::string("\1\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(this->write(event, most), "ok");
  this->sys.signal_event(event);
  EXPECT_EQ(this->read(event, 0), "EINVAL");
  EXPECT_EQ(this->read(event, 8), most);
  EXPECT_TRUE(this->becomes(event, EPOLLOUT));
}

TYPED_TEST(FileConformance, AnEventIsNoSocket) {
  const int event = this->own(this->sys.make_event());
  EXPECT_EQ(this->send(event, "12345678"), "ENOTSOCK");
  EXPECT_EQ(this->receive_from(event), "ENOTSOCK");
  EXPECT_EQ(this->send_to(event, "x", this->nobody()), "ENOTSOCK");
}

TYPED_TEST(FileConformance, ARegularFileIsReadToItsEndAndNotWatched) {
  const int file = this->own(Traits<TypeParam>::make_file(this->sys, "contents"));
  EXPECT_EQ(this->read(file, 3), "con");
  EXPECT_EQ(this->read(file), "tents");
  EXPECT_EQ(this->read(file), "(end)");
  EXPECT_EQ(this->write_parts(file, {", ", "more"}), "6");
  EXPECT_EQ(this->write(file, "!"), "ok");
  EXPECT_EQ(this->read(file), "(end)");
  EXPECT_EQ(Traits<TypeParam>::file_text(this->sys, file), "contents, more!");
  const int set = this->own(this->sys.epoll_create());
  EXPECT_EQ(outcome(this->sys.epoll_add(set, file, EPOLLIN, 0)), "EPERM");
  EXPECT_EQ(outcome(this->sys.epoll_modify(set, file, EPOLLIN, 0)), "EPERM");
  EXPECT_EQ(outcome(this->sys.epoll_remove(set, file)), "EPERM");
  EXPECT_FALSE(this->sys.set_nonblocking(file, true).value());
}

}  // namespace
}  // namespace skysock::conformance
