// Does every server make exactly the connections it was ordered to make, and say so when it could
// not?

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <cctype>
#include <thread>

#include "bench/peers/listener.hpp"
#include "bench/peers/test_client.hpp"
#include "bench/peers/test_modes.hpp"

namespace skysock::bench {
namespace {

using load::Fd;
using testing::HasSubstr;
using testing::StartsWith;

class Connect : public ModeTest {
 protected:
  Connect() : ModeTest("connect") {}
};
INSTANTIATE_TEST_SUITE_P(Servers, Connect, kPrograms, name_of);

bool readable(const Fd& fd, int limit_ms) {
  pollfd wanted{.fd = fd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, limit_ms) > 0;
}

/// What the server connects to: it accepts when it is told to.
class Peer {
 public:
  [[nodiscard]] std::string order(int count, int in_flight) const {
    return "127.0.0.1 " + std::to_string(port_of(listener_)) + " " + std::to_string(count) + " " +
           std::to_string(in_flight) + "\n";
  }

  /// The next connection, once it has sent its byte.
  [[nodiscard]] Fd accept() const {
    EXPECT_TRUE(readable(listener_, 10'000));
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(read_text(fd, 1), "c");
    return fd;
  }

  [[nodiscard]] bool waits() const { return readable(listener_, 50); }

  /// Answers and ends one; the server must end it, too, and not by a reset.
  static void finish(const Fd& fd, std::string_view answer = "c") {
    send_all(fd, bytes_of(answer));
    EXPECT_EQ(shutdown(fd.get(), SHUT_WR), 0);
    char byte = 0;
    EXPECT_EQ(recv(fd.get(), &byte, 1, 0), 0) << load::errno_text(errno);
  }

  void serve(int count) const {
    for (int done = 0; done < count; ++done) finish(accept());
  }

 private:
  Fd listener_ = listen_on("127.0.0.1", 0).value();
};

std::string read_line(const Fd& control) {
  std::string line;
  for (std::string byte = read_text(control, 1); !byte.empty(); byte = read_text(control, 1)) {
    if (byte == "\n") return line;
    line += byte;
  }
  return line + " (no end of line)";
}

TEST_P(Connect, MakesWhatIsOrderedAndReports) {
  const Peer peer;
  const Fd control = connect_narrow(port());
  for (const auto& [count, in_flight] : {std::pair{1, 1}, std::pair{60, 7}, std::pair{5, 100}}) {
    send_all(control, bytes_of(peer.order(count, in_flight)));
    std::jthread serving([&] { peer.serve(count); });
    EXPECT_EQ(read_line(control), "done " + std::to_string(count));
  }
  EXPECT_FALSE(peer.waits());
}

TEST_P(Connect, NoMoreAreInFlightThanOrdered) {
  const Peer peer;
  const Fd control = connect_narrow(port());
  send_all(control, bytes_of(peer.order(9, 3)));
  std::vector<Fd> held;
  for (int count = 0; count < 3; ++count) held.push_back(peer.accept());
  EXPECT_FALSE(peer.waits()) << "a fourth one";
  for (std::size_t at = 0; at < 6; ++at) {
    Peer::finish(held[at]);
    held.push_back(peer.accept());
  }
  EXPECT_FALSE(readable(control, 0)) << "three are still open";
  for (std::size_t at = 6; at < held.size(); ++at) Peer::finish(held[at]);
  EXPECT_EQ(read_line(control), "done 9");
}

TEST_P(Connect, OrdersOfTwoControlConnectionsGoOnBesideEachOther) {
  const Peer first_peer;
  const Peer second_peer;
  const Fd first = connect_narrow(port());
  const Fd second = connect_narrow(port());
  send_all(first, bytes_of(first_peer.order(2, 1)));
  const Fd waiting = first_peer.accept();
  send_all(second, bytes_of(second_peer.order(30, 4)));
  second_peer.serve(30);
  EXPECT_EQ(read_line(second), "done 30");
  Peer::finish(waiting);
  first_peer.serve(1);
  EXPECT_EQ(read_line(first), "done 2");
}

TEST_P(Connect, ATextWithSeveralOrdersIsCarriedOutInOrder) {
  const Peer peer;
  const Fd control = connect_narrow(port());
  const std::string text = peer.order(3, 2) + "moon\n" + peer.order(2, 1);
  send_all(control, bytes_of(text.substr(0, 5)));
  send_all(control, bytes_of(text.substr(5)));
  peer.serve(5);
  EXPECT_EQ(read_line(control), "done 3");
  EXPECT_THAT(read_line(control), StartsWith("failed: order 'moon': expected HOST PORT COUNT"));
  EXPECT_EQ(read_line(control), "done 2");
}

TEST_P(Connect, AWrongOrderIsQuoted) {
  const Fd control = connect_narrow(port());
  for (const std::string order : {"", "127.0.0.1 1 0 1", "localhost 1 1 1", "127.0.0.1 1 1 10001",
                                  "127.0.0.1 65536 1 1", "127.0.0.1 1 1 1 1"}) {
    send_all(control, bytes_of(order + "\n"));
    EXPECT_THAT(read_line(control),
                StartsWith("failed: order '" + order +
                           "': expected HOST PORT COUNT IN_FLIGHT: a "
                           "numeric IPv4 address, 1 to 65535, 1 to 1000000000, 1 to 10000"));
  }
  send_all(control, bytes_of(std::string(5'000, 'x')));
  EXPECT_EQ(read_line(control), "failed: more than 4096 bytes of orders wait");
}

TEST_P(Connect, AClosedPortIsAFailureAndTheNextOrderIsCarriedOut) {
  const std::uint16_t closed = port_of(listen_on("127.0.0.1", 0).value());
  const Fd control = connect_narrow(port());
  for (int turn = 0; turn < 5; ++turn) {
    send_all(control, bytes_of("127.0.0.1 " + std::to_string(closed) + " 100 10\n"));
    std::string line = read_line(control);
    EXPECT_THAT(line, StartsWith("failed: 127.0.0.1:" + std::to_string(closed) + ": "));
    std::ranges::transform(line, line.begin(), [](unsigned char letter) {
      return static_cast<char>(std::tolower(letter));
    });
    EXPECT_THAT(line, HasSubstr("connection refused"));
    const Peer peer;
    send_all(control, bytes_of(peer.order(3, 2)));
    peer.serve(3);
    EXPECT_EQ(read_line(control), "done 3");
  }
}

TEST_P(Connect, AWrongAnswerIsAFailureAndTheOrdersOthersAreClosed) {
  for (const auto& [answer, said] : {std::pair{"x", "expected the byte 'c', got another one"},
                                     std::pair{"cc", "expected one byte and the end, got more"},
                                     std::pair{"", "expected the byte 'c', got the end"}}) {
    const Peer peer;
    const Fd control = connect_narrow(port());
    send_all(control, bytes_of(peer.order(10, 3)));
    const Fd wrong = peer.accept();
    const Fd second = peer.accept();
    const Fd third = peer.accept();
    send_all(wrong, bytes_of(answer));
    EXPECT_EQ(shutdown(wrong.get(), SHUT_WR), 0);
    EXPECT_THAT(read_line(control), testing::EndsWith(std::string(": ") + said));
    for (const Fd* other : {&second, &third}) EXPECT_EQ(read_text(*other, 1), "");
    EXPECT_FALSE(peer.waits()) << "the order is given up";
    send_all(control, bytes_of(peer.order(1, 1)));
    peer.serve(1);
    EXPECT_EQ(read_line(control), "done 1");
  }
}

TEST_P(Connect, AResetIsAFailure) {
  const Peer peer;
  const Fd control = connect_narrow(port());
  send_all(control, bytes_of(peer.order(4, 1)));
  {
    const Fd rude = peer.accept();
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(rude.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  EXPECT_THAT(read_line(control), StartsWith("failed: 127.0.0.1:"));
}

TEST_P(Connect, AControlConnectionThatEndsGivesItsOrderUp) {
  const Peer peer;
  Fd open;
  {
    const Fd control = connect_narrow(port());
    send_all(control, bytes_of(peer.order(50, 1)));
    open = peer.accept();
  }
  EXPECT_EQ(read_text(open, 1), "");
  EXPECT_FALSE(peer.waits());
  const Fd control = connect_narrow(port());
  send_all(control, bytes_of(peer.order(2, 2)));
  peer.serve(2);
  EXPECT_EQ(read_line(control), "done 2");
}

}  // namespace
}  // namespace skysock::bench
