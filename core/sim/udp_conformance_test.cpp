// Do LinuxSys and SimKernel give the same answers about UDP sockets? Every test runs on both. Left
// out: connected sockets, IPv6 sockets that talk IPv4, when a full receive buffer drops.

#include "core/sim/conformance.hpp"

namespace skysock::conformance {
namespace {

constexpr std::size_t kBytesMaxV4 = 65'507;
constexpr std::size_t kBytesMaxV6 = 65'527;

template <typename Sys>
class UdpConformance : public KernelTest<Sys> {
 protected:
  /// A bound socket that hears of ICMP errors, and has sent to nobody.
  int make_refused() {
    const int fd = this->make_datagrams();
    EXPECT_EQ(outcome(this->sys.set_option(fd, SocketOption::report_icmp, 1)), "ok");
    EXPECT_EQ(this->send_to(fd, "anybody there?", this->nobody()), "ok");
    EXPECT_TRUE(this->becomes(fd, EPOLLOUT | EPOLLERR));
    return fd;
  }
};
TYPED_TEST_SUITE(UdpConformance, Kernels, KernelName);

// ---- Endpoints

TYPED_TEST(UdpConformance, AFreshSocketIsWritableAndNowhere) {
  const int fd = this->own(this->sys.datagram_socket(AF_INET));
  EXPECT_TRUE(this->becomes(fd, EPOLLOUT));
  EXPECT_EQ(this->receive_from(fd), "EAGAIN");
  EXPECT_EQ(this->local(fd).text(), "0.0.0.0:0");
  EXPECT_EQ(outcome(this->sys.peer_endpoint(fd)), "ENOTCONN");
  EXPECT_EQ(outcome(this->sys.shutdown_write(fd)), "ENOTCONN");
  EXPECT_EQ(this->socket_error(fd), "none");
  EXPECT_EQ(this->local(this->own(this->sys.datagram_socket(AF_INET6))).text(), "[::]:0");
  EXPECT_EQ(outcome(this->sys.datagram_socket(-1)), "EAFNOSUPPORT");
}

TYPED_TEST(UdpConformance, AnEndpointIsBoundByOneSocketAndOnce) {
  const int first = this->make_datagrams();
  const int second = this->own(this->sys.datagram_socket(AF_INET));
  const Endpoint taken = this->local(first);
  EXPECT_NE(taken.port(), 0);
  EXPECT_EQ(outcome(this->sys.bind(second, taken)), "EADDRINUSE");
  const auto wildcard = Endpoint::from_numeric("0.0.0.0", taken.port()).value();
  EXPECT_EQ(outcome(this->sys.bind(second, wildcard)), "EADDRINUSE");
  EXPECT_EQ(outcome(this->sys.bind(first, this->any())), "EINVAL");
  this->close(first);
  EXPECT_EQ(outcome(this->sys.bind(second, taken)), "ok");
}

TYPED_TEST(UdpConformance, TcpAndUdpHavePortsOfTheirOwn) {
  const int stream = this->make_listener();
  const int fd = this->own(this->sys.datagram_socket(AF_INET));
  EXPECT_EQ(outcome(this->sys.bind(fd, this->local(stream))), "ok");
}

TYPED_TEST(UdpConformance, AnAddressOfAnotherFamilyIsNotBound) {
  const auto v4 = this->any();
  const auto v6 = Endpoint::from_numeric("::1", 0).value();
  EXPECT_EQ(outcome(this->sys.bind(this->own(this->sys.datagram_socket(AF_INET)), v6)),
            "EAFNOSUPPORT");
  EXPECT_EQ(outcome(this->sys.bind(this->own(this->sys.datagram_socket(AF_INET6)), v4)), "EINVAL");
}

TYPED_TEST(UdpConformance, TheFirstDatagramBindsItsSocket) {
  const int receiver = this->make_datagrams();
  const int sender = this->own(this->sys.datagram_socket(AF_INET));
  EXPECT_EQ(this->send_to(sender, "hello", this->local(receiver)), "ok");
  EXPECT_EQ(this->local(sender).host(), "0.0.0.0");
  EXPECT_NE(this->local(sender).port(), 0);
  EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT));
  const std::string port = std::to_string(this->local(sender).port());
  EXPECT_EQ(this->receive_from(receiver), "hello from 127.0.0.1:" + port);
}

// ---- Datagrams

TYPED_TEST(UdpConformance, OneSetOfPortsPerHostAndFamily) {
  const int first = this->make_datagrams();
  const int sender = this->make_datagrams();
  const std::uint16_t port = this->local(first).port();
  const int other = this->own(this->sys.datagram_socket(AF_INET));
  EXPECT_EQ(outcome(this->sys.bind(other, Endpoint::from_numeric("127.0.0.2", port).value())),
            "ok");
  const int v6 = this->own(this->sys.datagram_socket(AF_INET6));
  EXPECT_EQ(outcome(this->sys.bind(v6, Endpoint::from_numeric("::1", port).value())), "ok");
  EXPECT_EQ(this->send_to(sender, "hello", this->local(other)), "ok");
  EXPECT_TRUE(this->becomes(other, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->receive_from(other), "hello from " + this->local(sender).text());
  EXPECT_EQ(this->receive_from(first), "EAGAIN");
  EXPECT_EQ(this->receive_from(v6), "EAGAIN");
}

TYPED_TEST(UdpConformance, AWildcardSocketIsAnsweredOnTheLoopback) {
  for (const auto& [wildcard, host] : {std::pair("0.0.0.0", "127.0.0.1"), {"::", "::1"}}) {
    const int server = this->make_datagrams(wildcard);
    const int client = this->make_datagrams(host);
    EXPECT_EQ(this->send_to(client, "question", this->local(server)), "ok");
    EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
    EXPECT_EQ(this->receive_from(server), "question from " + this->local(client).text());
    EXPECT_EQ(this->send_to(server, "answer", this->local(client)), "ok");
    EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
    const auto seen = Endpoint::from_numeric(host, this->local(server).port()).value();
    EXPECT_EQ(this->receive_from(client), "answer from " + seen.text());
  }
}

TYPED_TEST(UdpConformance, ASocketMayWriteToItself) {
  const int fd = this->make_datagrams();
  EXPECT_EQ(this->send_to(fd, "note", this->local(fd)), "ok");
  EXPECT_TRUE(this->becomes(fd, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->receive_from(fd), "note from " + this->local(fd).text());
}

TYPED_TEST(UdpConformance, ADatagramIsAnsweredToWhereItCameFrom) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    const int server = this->make_datagrams(host);
    const int client = this->make_datagrams(host);
    EXPECT_EQ(this->send_to(client, "question", this->local(server)), "ok");
    EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
    std::array<std::byte, 100> bytes{};
    const ReceivedDatagram got = this->sys.receive_from(server, bytes).value();
    EXPECT_EQ(got.bytes, 8U);
    EXPECT_EQ(got.from.text(), this->local(client).text());
    EXPECT_EQ(this->send_to(server, "answer", got.from), "ok");
    EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
    EXPECT_EQ(this->receive_from(client), "answer from " + this->local(server).text());
    EXPECT_EQ(this->receive_from(client), "EAGAIN");
    EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  }
}

TYPED_TEST(UdpConformance, DatagramsKeepTheirBordersAndOrder) {
  const int receiver = this->make_datagrams();
  const int sender = this->make_datagrams();
  for (const char* text : {"one", "", "three"}) {
    EXPECT_EQ(this->send_to(sender, text, this->local(receiver)), "ok");
  }
  const std::string from = " from " + this->local(sender).text();
  EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->receive_from(receiver), "one" + from);
  EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT)) << "an empty datagram is one too";
  EXPECT_EQ(this->receive_from(receiver), from);
  EXPECT_EQ(this->read(receiver, 3), "thr");
  EXPECT_EQ(this->receive_from(receiver), "EAGAIN") << "the rest of a cut datagram is gone";
}

TYPED_TEST(UdpConformance, TheDatagramsOfTwoSendersKeepTheirOrder) {
  const int receiver = this->make_datagrams();
  const std::array senders{this->make_datagrams(), this->make_datagrams()};
  const int set = this->own(this->sys.epoll_create());
  EXPECT_EQ(outcome(this->sys.epoll_add(set, receiver, EPOLLIN | EPOLLET, 0)), "ok");
  for (const char* text : {"one", "two"}) {
    for (const int sender : senders) {
      EXPECT_EQ(this->send_to(sender, text, this->local(receiver)), "ok");
      EXPECT_EQ(this->wait_one(set, 5'000), EPOLLIN);
    }
  }
  for (const char* text : {"one", "two"}) {
    for (const int sender : senders) {
      EXPECT_EQ(this->receive_from(receiver), text + (" from " + this->local(sender).text()));
    }
  }
  EXPECT_EQ(this->receive_from(receiver), "EAGAIN");
}

TYPED_TEST(UdpConformance, WhatIsCutFromADatagramIsGone) {
  const int receiver = this->make_datagrams();
  const int sender = this->make_datagrams();
  for (const char* text : {"first", "second", "third", "fourth"}) {
    EXPECT_EQ(this->send_to(sender, text, this->local(receiver)), "ok");
  }
  const std::string from = " from " + this->local(sender).text();
  EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->receive_from(receiver, 2), "fi" + from);
  EXPECT_EQ(this->receive_from(receiver, 0), from);
  EXPECT_EQ(this->receive(receiver, 0), "(end)") << "that was the third";
  EXPECT_EQ(this->receive_from(receiver, 6), "fourth" + from);
  EXPECT_EQ(this->receive_from(receiver, 0), "EAGAIN");
}

TYPED_TEST(UdpConformance, AnEmptyDatagramReadsAsAnEndThatIsNone) {
  const int receiver = this->make_datagrams();
  const int sender = this->make_datagrams();
  for (const char* text : {"", "more"}) {
    EXPECT_EQ(this->send_to(sender, text, this->local(receiver)), "ok");
  }
  EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->read(receiver, 0), "(end)") << "a read without room takes nothing";
  EXPECT_EQ(this->read(receiver), "(end)");
  EXPECT_EQ(this->read(receiver), "more");
  EXPECT_EQ(this->read(receiver), "EAGAIN");
  EXPECT_EQ(this->read(receiver, 0), "(end)");
}

TYPED_TEST(UdpConformance, AFullQueueKeepsTheOldDatagramsAndDropsTheNew) {
  constexpr std::size_t kSent = 200;
  const int receiver = this->make_datagrams();
  const int sender = this->make_datagrams();
  const auto small = SocketOption::receive_buffer_bytes;
  EXPECT_EQ(outcome(this->sys.set_option(receiver, small, 4'096)), "ok");
  for (std::size_t number = 0; number < kSent; ++number) {
    const std::string text = std::to_string(number);
    EXPECT_EQ(this->send_to(sender, text + std::string(1'000, ' '), this->local(receiver)), "ok");
  }
  EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT)) << "nor is a loss an error";
  std::size_t received = 0;
  for (; received < kSent; ++received) {
    const std::string number = std::to_string(received);
    if (this->read(receiver, number.size()) != number) break;
  }
  EXPECT_EQ(class_of(received, kSent), "part");
  EXPECT_EQ(this->read(receiver), "EAGAIN");
  EXPECT_EQ(this->send_to(sender, "room again", this->local(receiver)), "ok");
  EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->read(receiver), "room again");
}

TYPED_TEST(UdpConformance, ADatagramMayBeAsLongAsItsLengthFieldSays) {
  for (const auto& [host, most] : {std::pair("127.0.0.1", kBytesMaxV4), {"::1", kBytesMaxV6}}) {
    const int receiver = this->make_datagrams(host);
    const int sender = this->make_datagrams(host);
    const Endpoint to = this->local(receiver);
    EXPECT_EQ(this->send_to(sender, std::string(most + 1, 'x'), to), "EMSGSIZE");
    EXPECT_EQ(this->send_to(sender, std::string(100'000, 'x'), to), "EMSGSIZE");
    EXPECT_EQ(this->receive_from(receiver), "EAGAIN");
    EXPECT_EQ(this->send_to(sender, std::string(most, 'x'), to), "ok");
    EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT));
    std::vector<std::byte> bytes(most + 1);
    EXPECT_EQ(this->sys.receive_from(receiver, bytes).value().bytes, most);
    EXPECT_TRUE(this->becomes(sender, EPOLLOUT)) << "no error stays behind";
  }
}

TYPED_TEST(UdpConformance, ADatagramNeedsAnAddressOfItsFamilyAndAPort) {
  const int v4 = this->make_datagrams();
  const int v6 = this->make_datagrams("::1");
  EXPECT_EQ(this->send_to(v4, "x", this->local(v6)), "EAFNOSUPPORT");
  EXPECT_EQ(this->send_to(v6, "x", this->local(v4)), "ENETUNREACH");
  for (const int fd : {v4, v6}) {
    EXPECT_EQ(this->send_to(fd, "x", Endpoint{}), "EINVAL");
    const auto without_port = Endpoint::from_numeric(this->local(fd).host(), 0).value();
    EXPECT_EQ(this->send_to(fd, "x", without_port), "EINVAL");
    EXPECT_EQ(this->send(fd, "x"), "EDESTADDRREQ");
    EXPECT_EQ(this->write(fd, "x"), "EDESTADDRREQ");
  }
}

TYPED_TEST(UdpConformance, ADatagramSocketIsNoStream) {
  const int fd = this->make_datagrams();
  EXPECT_EQ(outcome(this->sys.listen(fd, 1)), "EOPNOTSUPP");
  EXPECT_EQ(outcome(this->sys.accept(fd)), "EOPNOTSUPP");
  for (const auto option : {SocketOption::nodelay, SocketOption::keepalive_idle_s,
                            SocketOption::keepalive_interval_s, SocketOption::keepalive_count}) {
    EXPECT_EQ(outcome(this->sys.set_option(fd, option, 1)), "ENOPROTOOPT");
  }
  for (const auto option : {SocketOption::keepalive, SocketOption::send_buffer_bytes,
                            SocketOption::receive_buffer_bytes, SocketOption::reset_on_close,
                            SocketOption::report_icmp}) {
    EXPECT_EQ(outcome(this->sys.set_option(fd, option, 1)), "ok");
  }
}

TYPED_TEST(UdpConformance, AStreamTakesAndGivesBytesWithoutAnAddress) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send_to(client, "bytes", this->nobody()), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->receive_from(server), "bytes from ");
}

// ---- ICMP errors

TYPED_TEST(UdpConformance, SendingToNobodyIsNotNoticed) {
  const int fd = this->make_datagrams();
  EXPECT_EQ(this->send_to(fd, "anybody there?", this->nobody()), "ok");
  EXPECT_EQ(this->send_to(fd, "anybody there?", this->nobody()), "ok");
  EXPECT_EQ(this->receive_from(fd), "EAGAIN");
  EXPECT_TRUE(this->becomes(fd, EPOLLOUT));
}

TYPED_TEST(UdpConformance, AReceiverThatClosesWithUnreadDatagramsIsNobody) {
  const int sender = this->make_datagrams();
  EXPECT_EQ(outcome(this->sys.set_option(sender, SocketOption::report_icmp, 1)), "ok");
  const int receiver = this->make_datagrams();
  const Endpoint to = this->local(receiver);
  EXPECT_EQ(this->send_to(sender, "unread", to), "ok");
  EXPECT_TRUE(this->becomes(receiver, EPOLLIN | EPOLLOUT));
  this->close(receiver);
  EXPECT_TRUE(this->becomes(sender, EPOLLOUT)) << "nobody tells of the loss";
  EXPECT_EQ(this->send_to(sender, "", to), "ok");
  EXPECT_TRUE(this->becomes(sender, EPOLLOUT | EPOLLERR)) << "an empty datagram is refused too";
  EXPECT_EQ(this->receive_from(sender), "ECONNREFUSED");
  const int next = this->own(this->sys.datagram_socket(AF_INET));
  EXPECT_EQ(outcome(this->sys.bind(next, to)), "ok");
  EXPECT_EQ(this->send_to(sender, "hello", to), "ok");
  EXPECT_TRUE(this->becomes(next, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->receive_from(next), "hello from " + this->local(sender).text());
}

TYPED_TEST(UdpConformance, IcmpErrorsAreReportedFromThenUntilThen) {
  const int fd = this->make_datagrams();
  EXPECT_EQ(this->send_to(fd, "x", this->nobody()), "ok");
  for (const int value : {1, 0, 1}) {
    EXPECT_EQ(outcome(this->sys.set_option(fd, SocketOption::report_icmp, value)), "ok");
    EXPECT_TRUE(this->becomes(fd, EPOLLOUT)) << "nothing is told of before";
    EXPECT_EQ(this->send_to(fd, "x", this->nobody()), "ok");
    EXPECT_TRUE(this->becomes(fd, value == 1 ? EPOLLOUT | EPOLLERR : std::uint32_t{EPOLLOUT}));
    EXPECT_EQ(this->receive_from(fd), value == 1 ? "ECONNREFUSED" : "EAGAIN");
  }
}

TYPED_TEST(UdpConformance, OnlyWhoSentHearsOfTheIcmpError) {
  const int sender = this->make_refused();
  const int bystander = this->make_datagrams();
  EXPECT_EQ(outcome(this->sys.set_option(bystander, SocketOption::report_icmp, 1)), "ok");
  EXPECT_TRUE(this->becomes(bystander, EPOLLOUT));
  EXPECT_EQ(this->socket_error(bystander), "none");
  EXPECT_EQ(this->receive_from(sender, 0), "ECONNREFUSED") << "even without room";
  EXPECT_TRUE(this->becomes(sender, EPOLLOUT));
}

TYPED_TEST(UdpConformance, AnIcmpErrorIsReceivedOnceAndBeforeTheDatagrams) {
  const int fd = this->make_refused();
  const int other = this->make_datagrams();
  EXPECT_EQ(this->send_to(other, "hello", this->local(fd)), "ok");
  EXPECT_TRUE(this->becomes(fd, EPOLLIN | EPOLLOUT | EPOLLERR));
  EXPECT_EQ(this->receive_from(fd), "ECONNREFUSED");
  EXPECT_TRUE(this->becomes(fd, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->receive_from(fd), "hello from " + this->local(other).text());
  EXPECT_EQ(this->receive_from(fd), "EAGAIN");
}

TYPED_TEST(UdpConformance, AnIcmpErrorReachesAnIpv6SocketToo) {
  const int fd = this->make_datagrams("::1");
  EXPECT_EQ(outcome(this->sys.set_option(fd, SocketOption::report_icmp, 1)), "ok");
  EXPECT_EQ(this->send_to(fd, "x", this->nobody("::1")), "ok");
  EXPECT_TRUE(this->becomes(fd, EPOLLOUT | EPOLLERR));
  EXPECT_EQ(this->receive_from(fd), "ECONNREFUSED");
  EXPECT_TRUE(this->becomes(fd, EPOLLOUT));
}

TYPED_TEST(UdpConformance, AnIcmpErrorIsToldByTheNextSendInstead) {
  const int fd = this->make_refused();
  const int other = this->make_datagrams();
  EXPECT_EQ(this->send_to(fd, "lost", this->local(other)), "ECONNREFUSED");
  EXPECT_TRUE(this->becomes(fd, EPOLLOUT));
  EXPECT_EQ(this->receive_from(fd), "EAGAIN");
  EXPECT_EQ(this->receive_from(other), "EAGAIN");
  EXPECT_EQ(this->send_to(fd, "sent", this->local(other)), "ok");
}

TYPED_TEST(UdpConformance, ASendThatFailsEndsThePendingIcmpError) {
  for (const std::size_t bytes : {kBytesMaxV4 + 1, std::size_t{100'000}}) {
    const int fd = this->make_refused();
    EXPECT_EQ(this->send_to(fd, std::string(bytes, 'x'), this->nobody()), "EMSGSIZE");
    EXPECT_TRUE(this->becomes(fd, EPOLLOUT));
    EXPECT_EQ(this->receive_from(fd), "EAGAIN");
  }
}

TYPED_TEST(UdpConformance, AnIcmpErrorIsToldByTheSocketErrorInstead) {
  const int fd = this->make_refused();
  EXPECT_EQ(this->socket_error(fd), "ECONNREFUSED");
  EXPECT_EQ(this->socket_error(fd), "none");
  EXPECT_TRUE(this->becomes(fd, EPOLLOUT));
  EXPECT_EQ(this->receive_from(fd), "EAGAIN");
}

}  // namespace
}  // namespace skysock::conformance
