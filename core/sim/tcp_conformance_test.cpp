// Do LinuxSys and SimKernel give the same answers about TCP connections? Every test runs on both.
// Left out: time-outs of the protocol, out-of-band data, keep-alive.

#include "core/sim/conformance.hpp"

namespace skysock::conformance {
namespace {

constexpr std::uint32_t kEnded = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP;
constexpr std::uint32_t kFailed = kEnded | EPOLLERR;

template <typename Sys>
class TcpConformance : public KernelTest<Sys> {};
TYPED_TEST_SUITE(TcpConformance, Kernels, KernelName);

// ---- Setting up

TYPED_TEST(TcpConformance, AFreshSocketIsNotConnected) {
  const int fd = this->make_socket();
  EXPECT_TRUE(this->becomes(fd, EPOLLOUT | EPOLLHUP));
  EXPECT_EQ(this->read(fd), "ENOTCONN");
  EXPECT_EQ(this->send(fd, "x"), "EPIPE");
  EXPECT_EQ(outcome(this->sys.shutdown_write(fd)), "ENOTCONN");
  EXPECT_EQ(outcome(this->sys.peer_endpoint(fd)), "ENOTCONN");
  EXPECT_EQ(this->socket_error(fd), "none");
  EXPECT_EQ(this->sys.local_endpoint(fd).value().text(), "0.0.0.0:0");
}

TYPED_TEST(TcpConformance, PortZeroBecomesAFreePort) {
  const auto first = this->sys.local_endpoint(this->make_listener()).value();
  const auto second = this->sys.local_endpoint(this->make_listener()).value();
  EXPECT_EQ(first.host(), "127.0.0.1");
  EXPECT_NE(first.port(), 0);
  EXPECT_NE(second.port(), 0);
  EXPECT_NE(first.port(), second.port());
}

TYPED_TEST(TcpConformance, AnEndpointWithAListenerCannotBeBound) {
  const auto taken = this->sys.local_endpoint(this->make_listener()).value();
  EXPECT_EQ(outcome(this->sys.bind(this->make_socket(), taken)), "EADDRINUSE");
  const auto wildcard = Endpoint::from_numeric("0.0.0.0", taken.port()).value();
  EXPECT_EQ(outcome(this->sys.bind(this->make_socket(), wildcard)), "EADDRINUSE");
}

TYPED_TEST(TcpConformance, OfTwoSocketsBoundToOneEndpointTheFirstMayListen) {
  const int first = this->make_bound();
  const int second = this->make_socket();
  EXPECT_EQ(outcome(this->sys.bind(second, this->sys.local_endpoint(first).value())), "ok");
  EXPECT_EQ(outcome(this->sys.listen(first, 1)), "ok");
  EXPECT_EQ(outcome(this->sys.listen(second, 1)), "EADDRINUSE");
}

TYPED_TEST(TcpConformance, APortIsFreeAgainWhenItsListenerIsClosed) {
  const int listener = this->make_listener();
  const auto endpoint = this->sys.local_endpoint(listener).value();
  this->close(listener);
  const int next = this->make_socket();
  EXPECT_EQ(outcome(this->sys.bind(next, endpoint)), "ok");
  EXPECT_EQ(outcome(this->sys.listen(next, 1)), "ok");
}

TYPED_TEST(TcpConformance, ASocketIsBoundOnce) {
  const int fd = this->make_bound();
  const auto any = Endpoint::from_numeric("127.0.0.1", 0).value();
  EXPECT_EQ(outcome(this->sys.bind(fd, any)), "EINVAL");
  EXPECT_EQ(outcome(this->sys.bind(this->make_pair().client, any)), "EINVAL");
}

TYPED_TEST(TcpConformance, ListeningWithoutAnEndpointTakesAnyPort) {
  const int fd = this->make_socket();
  EXPECT_EQ(outcome(this->sys.listen(fd, 1)), "ok");
  EXPECT_EQ(this->sys.local_endpoint(fd).value().host(), "0.0.0.0");
  EXPECT_NE(this->sys.local_endpoint(fd).value().port(), 0);
}

TYPED_TEST(TcpConformance, AListenerCarriesNoBytes) {
  const int listener = this->make_listener();
  EXPECT_EQ(this->read(listener), "ENOTCONN");
  EXPECT_EQ(this->send(listener, "x"), "EPIPE");
  EXPECT_EQ(outcome(this->sys.shutdown_write(listener)), "ok");
  EXPECT_EQ(outcome(this->sys.peer_endpoint(listener)), "ENOTCONN");
  const auto endpoint = this->sys.local_endpoint(listener).value();
  EXPECT_EQ(outcome(this->sys.connect(listener, endpoint)), "EISCONN");
  EXPECT_EQ(outcome(this->sys.listen(listener, 2)), "ok");
  EXPECT_TRUE(this->becomes(listener, 0));
}

TYPED_TEST(TcpConformance, SocketCallsAreForSocketsOnly) {
  const int fd = this->make_socket();
  const int pipe = this->make_pipe().read_fd;
  EXPECT_EQ(outcome(this->sys.set_option(pipe, SocketOption::nodelay, 1)), "ENOTSOCK");
  EXPECT_EQ(outcome(this->sys.set_option(pipe, SocketOption::report_icmp, 1)), "ENOTSOCK");
  EXPECT_EQ(outcome(this->sys.accept(pipe)), "ENOTSOCK");
  EXPECT_EQ(outcome(this->sys.peer_endpoint(pipe)), "ENOTSOCK");
  EXPECT_EQ(this->send(pipe, "x"), "ENOTSOCK");
  EXPECT_EQ(outcome(this->sys.accept(fd)), "EINVAL");
}

TYPED_TEST(TcpConformance, OptionsTakeWhatMakesSense) {
  const auto set = [this, fd = this->make_socket()](SocketOption option, int value) {
    return outcome(this->sys.set_option(fd, option, value));
  };
  for (const auto option : {SocketOption::nodelay, SocketOption::keepalive,
                            SocketOption::send_buffer_bytes, SocketOption::receive_buffer_bytes,
                            SocketOption::reset_on_close, SocketOption::report_icmp}) {
    for (const int value : {1, 0}) EXPECT_EQ(set(option, value), "ok");
  }
  for (const auto option : {SocketOption::keepalive_idle_s, SocketOption::keepalive_interval_s}) {
    for (const int value : {1, 32'767}) EXPECT_EQ(set(option, value), "ok");
    for (const int value : {-1, 0, 32'768}) EXPECT_EQ(set(option, value), "EINVAL");
  }
  for (const int value : {1, 127}) EXPECT_EQ(set(SocketOption::keepalive_count, value), "ok");
  for (const int value : {0, 128}) EXPECT_EQ(set(SocketOption::keepalive_count, value), "EINVAL");
}

TYPED_TEST(TcpConformance, OptionsCanBeSetInEveryState) {
  const int reset = this->make_reset_pair().client;
  EXPECT_TRUE(this->becomes(reset, kFailed));
  const auto [ended, server] = this->make_pair();
  EXPECT_EQ(outcome(this->sys.shutdown_write(ended)), "ok");
  for (const int fd : {this->make_listener(), this->start_connect(this->make_full_listener()),
                       this->make_refused_client(), reset, ended, server}) {
    for (const auto option :
         {SocketOption::nodelay, SocketOption::keepalive, SocketOption::keepalive_idle_s,
          SocketOption::keepalive_interval_s, SocketOption::keepalive_count,
          SocketOption::send_buffer_bytes, SocketOption::receive_buffer_bytes,
          SocketOption::reset_on_close, SocketOption::report_icmp}) {
      EXPECT_EQ(outcome(this->sys.set_option(fd, option, 1)), "ok");
    }
    EXPECT_EQ(outcome(this->sys.set_option(fd, SocketOption::keepalive_idle_s, 0)), "EINVAL");
  }
}

TYPED_TEST(TcpConformance, SocketQuestionsAreForSocketsOnly) {
  const PipeEnds pipe = this->make_pipe();
  const int file = this->own(Traits<TypeParam>::make_file(this->sys, "contents"));
  for (const int fd : {pipe.read_fd, pipe.write_fd, file, this->own(this->sys.make_event()),
                       this->own(this->sys.epoll_create()), this->own(this->sys.open_spare())}) {
    EXPECT_EQ(outcome(this->sys.bind(fd, this->any())), "ENOTSOCK");
    EXPECT_EQ(outcome(this->sys.listen(fd, 1)), "ENOTSOCK");
    EXPECT_EQ(outcome(this->sys.connect(fd, this->any())), "ENOTSOCK");
    EXPECT_EQ(outcome(this->sys.shutdown_write(fd)), "ENOTSOCK");
    EXPECT_EQ(outcome(this->sys.take_socket_error(fd)), "ENOTSOCK");
    EXPECT_EQ(outcome(this->sys.local_endpoint(fd)), "ENOTSOCK");
    EXPECT_EQ(this->receive(fd), "ENOTSOCK");
    EXPECT_EQ(this->receive(fd, 0), "ENOTSOCK");
  }
}

TYPED_TEST(TcpConformance, OneSetOfPortsPerHostAndFamily) {
  const int first = this->make_listener();
  const std::uint16_t port = this->local(first).port();
  for (const char* host : {"127.0.0.2", "::1"}) {
    const int other = this->make_listener_at(Endpoint::from_numeric(host, port).value());
    const int client = this->start_connect(other);
    EXPECT_EQ(this->local(this->accept(other)).text(), this->local(other).text());
    EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  }
  EXPECT_TRUE(this->becomes(first, 0)) << "nobody called there";
}

TYPED_TEST(TcpConformance, AStrangeAddressIsNotBound) {
  for (const char* host : {"192.0.2.7", "2001:db8::7"}) {
    const auto strange = Endpoint::from_numeric(host, 0).value();
    const int fd = this->own(this->sys.stream_socket(strange.family()));
    EXPECT_EQ(outcome(this->sys.bind(fd, strange)), "EADDRNOTAVAIL");
    const int datagrams = this->own(this->sys.datagram_socket(strange.family()));
    EXPECT_EQ(outcome(this->sys.bind(datagrams, strange)), "EADDRNOTAVAIL");
    EXPECT_EQ(outcome(this->sys.bind(fd, this->any(host[0] == '1' ? "127.0.0.1" : "::1"))), "ok");
  }
}

TYPED_TEST(TcpConformance, AnAddressOfAnotherFamilyIsNotTaken) {
  const auto v4 = Endpoint::from_numeric("127.0.0.1", 9).value();
  const auto v6 = Endpoint::from_numeric("::1", 9).value();
  const int v4_fd = this->make_socket();
  const int v6_fd = this->own(this->sys.stream_socket(AF_INET6));
  EXPECT_EQ(outcome(this->sys.bind(v4_fd, v6)), "EAFNOSUPPORT");
  EXPECT_EQ(outcome(this->sys.bind(v6_fd, v4)), "EINVAL");
  EXPECT_EQ(outcome(this->sys.bind(v4_fd, Endpoint{})), "EINVAL");
  EXPECT_EQ(outcome(this->sys.connect(v4_fd, v6)), "EAFNOSUPPORT");
  EXPECT_EQ(outcome(this->sys.connect(v6_fd, v4)), "EINVAL");
  EXPECT_EQ(outcome(this->sys.connect(v4_fd, Endpoint{})), "EINVAL");
}

// ---- Connecting

TYPED_TEST(TcpConformance, AConnectIsUnderWayThenWritable) {
  const int listener = this->make_listener();
  const int client = this->start_connect(listener);
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  EXPECT_EQ(this->socket_error(client), "none");
  EXPECT_EQ(this->read(client), "EAGAIN");
}

TYPED_TEST(TcpConformance, BothSidesKnowBothEndpoints) {
  const int listener = this->make_listener();
  const int client = this->start_connect(listener);
  EXPECT_TRUE(this->becomes(listener, EPOLLIN));
  const AcceptedSocket accepted = this->sys.accept(listener).value();
  this->own(accepted.fd);
  auto& kernel = this->sys;
  const std::string client_text = kernel.local_endpoint(client).value().text();
  EXPECT_EQ(accepted.peer.text(), client_text);
  EXPECT_EQ(kernel.peer_endpoint(accepted.fd).value().text(), client_text);
  const std::string listener_text = kernel.local_endpoint(listener).value().text();
  EXPECT_EQ(kernel.local_endpoint(accepted.fd).value().text(), listener_text);
  EXPECT_EQ(kernel.peer_endpoint(client).value().text(), listener_text);
  EXPECT_TRUE(client_text.starts_with("127.0.0.1:"));
}

TYPED_TEST(TcpConformance, AListenerIsReadableWhileAConnectionWaits) {
  const int listener = this->make_listener();
  EXPECT_EQ(outcome(this->sys.accept(listener)), "EAGAIN");
  this->start_connect(listener);
  this->accept(listener);
  EXPECT_TRUE(this->becomes(listener, 0));
  EXPECT_EQ(outcome(this->sys.accept(listener)), "EAGAIN");
}

TYPED_TEST(TcpConformance, AConnectedSocketCannotConnectOrListen) {
  const int server = this->make_pair().server;
  const auto other = this->sys.local_endpoint(this->make_listener()).value();
  EXPECT_EQ(outcome(this->sys.connect(server, other)), "EISCONN");
  EXPECT_EQ(outcome(this->sys.listen(server, 1)), "EINVAL");
}

TYPED_TEST(TcpConformance, ARefusedConnectIsToldByTheSocketErrorOnce) {
  const int client = this->start_connect(this->make_bound());
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->socket_error(client), "ECONNREFUSED");
  EXPECT_EQ(this->socket_error(client), "none");
  EXPECT_TRUE(this->becomes(client, kEnded));
  EXPECT_EQ(this->read(client), "(end)");
  EXPECT_EQ(this->send(client, "x"), "EPIPE");
  EXPECT_EQ(outcome(this->sys.peer_endpoint(client)), "ENOTCONN");
}

TYPED_TEST(TcpConformance, ARefusedConnectIsToldByARead) {
  const int client = this->start_connect(this->make_bound());
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->read(client), "ECONNREFUSED");
  EXPECT_EQ(this->read(client), "(end)");
}

TYPED_TEST(TcpConformance, AFullBacklogLeavesAConnectUnanswered) {
  const int listener = this->make_full_listener();
  const int client = this->start_connect(listener);
  EXPECT_TRUE(this->becomes(client, 0));
  EXPECT_EQ(this->read(client), "EAGAIN");
  EXPECT_EQ(this->send(client, "x"), "EAGAIN");
  EXPECT_EQ(this->socket_error(client), "none");
  EXPECT_EQ(outcome(this->sys.peer_endpoint(client)), "ENOTCONN");
  const auto endpoint = this->sys.local_endpoint(listener).value();
  EXPECT_EQ(outcome(this->sys.connect(client, endpoint)), "EALREADY");
}

TYPED_TEST(TcpConformance, ShuttingDownAnUnansweredConnectGivesItUp) {
  const int client = this->start_connect(this->make_full_listener());
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLOUT | EPOLLERR | EPOLLHUP));
  EXPECT_EQ(this->read(client), "ECONNRESET");
}

TYPED_TEST(TcpConformance, ClosingAListenerResetsWhatWaits) {
  const int listener = this->make_listener();
  const int client = this->start_connect(listener);
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  this->close(listener);
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->read(client), "ECONNRESET");
}

TYPED_TEST(TcpConformance, AConnectionThatEndedInTheBacklogIsStillAccepted) {
  const int listener = this->make_listener();
  const int client = this->start_connect(listener);
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  EXPECT_EQ(this->send(client, "hello"), "ok");
  this->close(client);
  const int server = this->accept(listener);
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(this->read(server), "hello");
  EXPECT_EQ(this->read(server), "(end)");
}

TYPED_TEST(TcpConformance, AnIpv6ConnectionIsLikeAnyOther) {
  const int listener = this->make_listener_at(this->any("::1"));
  const int client = this->start_connect(listener);
  const int server = this->accept(listener);
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  EXPECT_EQ(this->sys.peer_endpoint(client).value().text(), this->local(listener).text());
  EXPECT_EQ(this->sys.peer_endpoint(server).value().text(), this->local(client).text());
  EXPECT_TRUE(this->local(client).text().starts_with("[::1]:"));
  EXPECT_EQ(this->send(client, "question"), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->read(server), "question");
}

TYPED_TEST(TcpConformance, AWildcardListenerAcceptsAtTheAddressThatWasCalled) {
  for (const auto& [wildcard, host] : {std::pair("0.0.0.0", "127.0.0.1"), {"::", "::1"}}) {
    const int listener = this->make_listener_at(this->any(wildcard));
    const auto called = Endpoint::from_numeric(host, this->local(listener).port()).value();
    for (const Endpoint& to : {called, this->local(listener)}) {
      const int client = this->start_connect_to(to);
      EXPECT_EQ(this->local(this->accept(listener)).text(), called.text());
      EXPECT_TRUE(this->becomes(client, EPOLLOUT));
      EXPECT_EQ(this->sys.peer_endpoint(client).value().text(), called.text());
    }
  }
}

TYPED_TEST(TcpConformance, ABoundClientIsSeenAtItsEndpoint) {
  const int listener = this->make_listener();
  for (const char* host : {"127.0.0.1", "127.0.0.2", "0.0.0.0"}) {
    const int client = this->make_socket();
    EXPECT_EQ(outcome(this->sys.bind(client, this->any(host))), "ok");
    const std::uint16_t port = this->local(client).port();
    EXPECT_NE(port, 0);
    EXPECT_EQ(outcome(this->sys.connect(client, this->local(listener))), "EINPROGRESS");
    const int server = this->accept(listener);
    const std::string seen = host == std::string_view("127.0.0.2") ? "127.0.0.2:" : "127.0.0.1:";
    EXPECT_EQ(this->sys.peer_endpoint(server).value().text(), seen + std::to_string(port));
    EXPECT_EQ(this->local(client).text(), seen + std::to_string(port));
  }
}

TYPED_TEST(TcpConformance, ConnectionsAreAcceptedInTheirOrder) {
  const int listener = this->make_listener();
  const int set = this->own(this->sys.epoll_create());
  EXPECT_EQ(outcome(this->sys.epoll_add(set, listener, EPOLLIN | EPOLLET, 0)), "ok");
  std::vector<std::string> called;
  for (int turn = 0; turn < 3; ++turn) {
    called.push_back(this->local(this->start_connect(listener)).text());
    EXPECT_EQ(this->wait_one(set, 5'000), EPOLLIN);
  }
  for (const std::string& client : called) {
    EXPECT_EQ(this->sys.peer_endpoint(this->accept(listener)).value().text(), client);
  }
}

TYPED_TEST(TcpConformance, AConnectionThatWasResetInTheBacklogIsStillAccepted) {
  const int listener = this->make_listener();
  const int client = this->start_connect(listener);
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  const std::string called = this->local(client).text();
  EXPECT_EQ(outcome(this->sys.set_option(client, SocketOption::reset_on_close, 1)), "ok");
  this->close(client);
  EXPECT_TRUE(this->becomes(listener, EPOLLIN));
  const AcceptedSocket accepted = this->sys.accept(listener).value();
  this->own(accepted.fd);
  EXPECT_EQ(accepted.peer.text(), called);
  EXPECT_TRUE(this->becomes(accepted.fd, kFailed));
  EXPECT_EQ(outcome(this->sys.peer_endpoint(accepted.fd)), "ENOTCONN");
  EXPECT_EQ(this->read(accepted.fd), "ECONNRESET");
  EXPECT_EQ(this->read(accepted.fd), "(end)");
}

TYPED_TEST(TcpConformance, AnUnansweredConnectIsAnsweredWhenTheBacklogHasRoom) {
  const int listener = this->make_full_listener();
  const int client = this->start_connect(listener);
  EXPECT_TRUE(this->becomes(client, 0));
  this->accept(listener);
  EXPECT_TRUE(this->becomes(client, EPOLLOUT)) << "Linux asks again after a second";
  EXPECT_EQ(this->sys.peer_endpoint(this->accept(listener)).value().text(),
            this->local(client).text());
}

TYPED_TEST(TcpConformance, ABacklogGrowsByListeningAgain) {
  const int listener = this->make_full_listener();
  for (const int backlog : {2, -1}) {
    EXPECT_EQ(outcome(this->sys.listen(listener, backlog)), "ok");
    EXPECT_TRUE(this->becomes(this->start_connect(listener), EPOLLOUT));
    EXPECT_TRUE(this->becomes(this->start_connect(listener), EPOLLOUT));
  }
}

TYPED_TEST(TcpConformance, ASecondConnectTellsOnceThatTheFirstSucceeded) {
  const int listener = this->make_listener();
  const int client = this->start_connect(listener);
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  EXPECT_EQ(outcome(this->sys.connect(client, this->local(listener))), "ok");
  EXPECT_EQ(outcome(this->sys.connect(client, this->local(listener))), "EISCONN");
  EXPECT_EQ(outcome(this->sys.listen(client, 1)), "EINVAL");
}

TYPED_TEST(TcpConformance, ASecondConnectTellsWhyTheFirstFailedAndTheThirdTriesAgain) {
  const int listener = this->make_listener();
  for (const bool told : {false, true}) {
    const int client = this->make_refused_client();
    if (told) {
      EXPECT_EQ(this->socket_error(client), "ECONNREFUSED");
    }
    EXPECT_EQ(outcome(this->sys.connect(client, this->local(listener))),
              told ? "ECONNABORTED" : "ECONNREFUSED");
    EXPECT_TRUE(this->becomes(client, EPOLLOUT | EPOLLHUP)) << "as if it were new";
    EXPECT_EQ(this->read(client), "ENOTCONN");
    EXPECT_EQ(outcome(this->sys.connect(client, this->local(listener))), "EINPROGRESS");
    const int server = this->accept(listener);
    EXPECT_TRUE(this->becomes(client, EPOLLOUT));
    EXPECT_EQ(this->send(client, "at last"), "ok");
    EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
    EXPECT_EQ(this->read(server), "at last");
  }
}

TYPED_TEST(TcpConformance, ARefusedSocketIsNotConnected) {
  const int client = this->make_refused_client();
  EXPECT_EQ(outcome(this->sys.peer_endpoint(client)), "ENOTCONN");
  EXPECT_EQ(outcome(this->sys.listen(client, 1)), "EINVAL");
  EXPECT_EQ(outcome(this->sys.accept(client)), "EINVAL");
  EXPECT_EQ(this->send(client, "x"), "ECONNREFUSED");
  EXPECT_EQ(this->send(client, "x"), "EPIPE");
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ENOTCONN");
  EXPECT_TRUE(this->becomes(client, kEnded));
}

TYPED_TEST(TcpConformance, NobodyListensAtPortZero) {
  const int client = this->start_connect_to(this->any());
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->socket_error(client), "ECONNREFUSED");
}

// ---- Bytes

TYPED_TEST(TcpConformance, BytesTravelBothWays) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(client, "question"), "ok");
  EXPECT_EQ(this->write(server, "answer"), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->read(server), "question");
  EXPECT_EQ(this->read(client), "answer");
  EXPECT_EQ(this->read(client), "EAGAIN");
}

TYPED_TEST(TcpConformance, PartsAreSentInOrderAndReadInPieces) {
  const auto [client, server] = this->make_pair();
  std::string texts[] = {"one, ", "", "two, three"};
  std::vector<iovec> parts;
  for (auto& text : texts) parts.push_back({.iov_base = text.data(), .iov_len = text.size()});
  EXPECT_EQ(this->sys.send(client, parts).value(), 15U);
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->read(server, 6), "one, t");
  EXPECT_EQ(this->read(server, 100), "wo, three");
}

TYPED_TEST(TcpConformance, NothingCanBeSentAndRead) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->sys.send(client, {}).value(), 0U);
  EXPECT_EQ(this->send(client, ""), "ok");
  EXPECT_EQ(this->read(server, 0), "(end)");
  EXPECT_EQ(this->read(server), "EAGAIN");
}

TYPED_TEST(TcpConformance, AFullConnectionTakesMoreWhenThePeerHasRead) {
  const auto [client, server] = this->make_pair();
  const int set = this->own(this->sys.epoll_create());
  EXPECT_EQ(outcome(this->sys.epoll_add(set, client, EPOLLOUT, 0)), "ok");
  const std::size_t sent = this->fill_up(client);
  EXPECT_EQ(this->drain(server, sent), sent);
  EXPECT_EQ(this->read(server), "EAGAIN");
  EXPECT_EQ(this->wait_one(set, 1'000), EPOLLOUT);
}

TYPED_TEST(TcpConformance, WhatWasSentArrivesAfterTheSenderClosed) {
  const auto [client, server] = this->make_pair();
  const std::size_t sent = this->fill(client);
  EXPECT_GT(sent, 0U);
  this->close(client);
  EXPECT_EQ(this->drain(server, sent), sent);
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(this->read(server), "(end)");
}

TYPED_TEST(TcpConformance, AReadWithoutRoomAsksNothingButARecvDoes) {
  const int reset = this->make_reset_pair().client;
  EXPECT_TRUE(this->becomes(reset, kFailed));
  const auto [client, server] = this->make_pair();
  const int fresh = this->make_socket();
  const int listener = this->make_listener();
  for (const int fd : {fresh, listener, client, reset}) EXPECT_EQ(this->read(fd, 0), "(end)");
  EXPECT_EQ(this->receive(fresh, 0), "ENOTCONN");
  EXPECT_EQ(this->receive(listener, 0), "ENOTCONN");
  EXPECT_EQ(this->receive(client, 0), "EAGAIN");
  EXPECT_EQ(this->receive(reset, 0), "ECONNRESET");
  EXPECT_EQ(this->receive(reset, 0), "(end)");
  EXPECT_EQ(this->send(server, "x"), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->receive(client, 0), "(end)") << "there are bytes, of which it takes none";
  EXPECT_EQ(this->receive(client), "x");
  EXPECT_EQ(outcome(this->sys.shutdown_write(server)), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(this->receive(client, 0), "(end)");
}

TYPED_TEST(TcpConformance, SendingNothingAsksOnlyWhetherItCouldBeSent) {
  const int reset = this->make_reset_pair().client;
  EXPECT_TRUE(this->becomes(reset, kFailed));
  EXPECT_EQ(this->send(reset, ""), "ECONNRESET");
  EXPECT_EQ(this->send(reset, ""), "EPIPE");
  EXPECT_EQ(this->send(this->make_socket(), ""), "EPIPE");
  EXPECT_EQ(this->send(this->start_connect(this->make_full_listener()), ""), "EAGAIN");
  const auto [client, server] = this->make_pair();
  this->close(server);
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(this->send(client, ""), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP)) << "no RST answers nothing";
}

TYPED_TEST(TcpConformance, AWriteIsASend) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->write(client, "one, "), "ok");
  EXPECT_EQ(this->write_parts(client, {"two, ", "", "three"}), "10");
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(this->receive(server), "one, two, three");
  EXPECT_EQ(this->receive(server), "(end)");
  EXPECT_EQ(this->write(client, "x"), "EPIPE");
  EXPECT_EQ(this->write_parts(client, {"x"}), "EPIPE");
}

TYPED_TEST(TcpConformance, AGatheredSendIsCutInTheMiddleOfItsBytes) {
  const auto [client, server] = this->make_pair();
  std::string text(1'000'000, '\0');
  for (std::size_t at = 0; at < text.size(); ++at) text[at] = static_cast<char>(at / 1'000 % 251);
  // Sixteen times the same bytes: more than a connection nobody reads from can hold.
  std::vector<iovec> parts(16, {.iov_base = text.data(), .iov_len = text.size()});
  const std::size_t sent = this->sys.send(client, parts).value();
  EXPECT_EQ(class_of(sent, 16 * text.size()), "part");
  std::string buffer(65'536, '\0');
  std::size_t total = 0;
  bool same = true;
  while (total < sent && this->becomes_readable(server)) {
    const auto got = this->sys.receive(server, std::as_writable_bytes(std::span(buffer)));
    for (std::size_t at = 0; at < got.value_or(0); ++at) {
      same = same && buffer[at] == text[(total + at) % text.size()];
    }
    total += got.value_or(0);
  }
  EXPECT_TRUE(same);
  EXPECT_EQ(total, sent);
  EXPECT_EQ(this->receive(server), "EAGAIN");
}

TYPED_TEST(TcpConformance, AFullConnectionTakesNothingAndAnEmptyOneAll) {
  const auto [client, server] = this->make_pair();
  const std::size_t sent = this->fill_up(client);
  EXPECT_EQ(this->send(client, "x"), "EAGAIN");
  EXPECT_EQ(this->send(client, ""), "ok");
  EXPECT_EQ(this->write_parts(client, {"x", "y"}), "EAGAIN");
  EXPECT_EQ(this->drain(server, sent), sent);
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  EXPECT_EQ(this->write_parts(client, {"x", "y"}), "2");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->read(server), "xy");
}

TYPED_TEST(TcpConformance, SmallBuffersCutALargeSend) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(outcome(this->sys.set_option(client, SocketOption::send_buffer_bytes, 4'096)), "ok");
  const std::string large(4'000'000, 'x');
  const std::size_t sent = this->sys.write(client, bytes_of(large)).value();
  EXPECT_EQ(class_of(sent, large.size()), "part");
  EXPECT_EQ(this->drain(server, sent), sent);
  EXPECT_EQ(this->read(server), "EAGAIN");
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
}

TYPED_TEST(TcpConformance, AVectorHasAtMostAThousandAndTwentyFourParts) {
  const auto [client, server] = this->make_pair();
  const PipeEnds pipe = this->make_pipe();
  std::string letter = "x";
  std::vector<iovec> parts(1'025, {.iov_base = letter.data(), .iov_len = 1});
  EXPECT_EQ(outcome(this->sys.send(client, parts)), "EMSGSIZE");
  EXPECT_EQ(outcome(this->sys.write_parts(client, parts)), "EINVAL");
  EXPECT_EQ(outcome(this->sys.write_parts(pipe.write_fd, parts)), "EINVAL");
  parts.pop_back();
  EXPECT_EQ(this->sys.send(client, parts).value(), 1'024U);
  EXPECT_EQ(this->sys.write_parts(pipe.write_fd, parts).value(), 1'024U);
  EXPECT_EQ(this->drain(server, 1'024), 1'024U);
}

// ---- Ending

TYPED_TEST(TcpConformance, AFinIsReadBehindTheBytesAndStaysReadable) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(client, "bye"), "ok");
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(this->read(server), "bye");
  EXPECT_EQ(this->read(server), "(end)");
  EXPECT_EQ(this->read(server), "(end)");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
}

TYPED_TEST(TcpConformance, AfterOneFinTheOtherDirectionLives) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(this->send(server, "late"), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->read(client), "late");
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
}

TYPED_TEST(TcpConformance, NothingIsSentBehindTheOwnFin) {
  const int client = this->make_pair().client;
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_EQ(this->send(client, "x"), "EPIPE");
  EXPECT_EQ(this->send(client, ""), "EPIPE");
  EXPECT_EQ(this->socket_error(client), "none");
}

TYPED_TEST(TcpConformance, TwoFinsHangUpBothSidesWithoutAnError) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(outcome(this->sys.shutdown_write(server)), "ok");
  for (const int fd : {client, server}) {
    EXPECT_TRUE(this->becomes(fd, kEnded));
    EXPECT_EQ(this->read(fd), "(end)");
    EXPECT_EQ(this->send(fd, "x"), "EPIPE");
    // Its own FIN may not be acknowledged yet.
    EXPECT_TRUE(this->eventually(
        [&] { return outcome(this->sys.peer_endpoint(fd)) == std::string("ENOTCONN"); }));
    EXPECT_EQ(outcome(this->sys.shutdown_write(fd)), "ENOTCONN");
    EXPECT_EQ(this->socket_error(fd), "none");
  }
}

TYPED_TEST(TcpConformance, AResetIsReadOnceBehindTheBytes) {
  const int client = this->make_reset_pair("data").client;
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->read(client), "data");
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->read(client), "ECONNRESET");
  EXPECT_TRUE(this->becomes(client, kEnded));
  EXPECT_EQ(this->read(client), "(end)");
  EXPECT_EQ(this->send(client, "x"), "EPIPE");
}

TYPED_TEST(TcpConformance, AResetIsToldByASendOnce) {
  const int client = this->make_reset_pair().client;
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->send(client, "x"), "ECONNRESET");
  EXPECT_EQ(this->send(client, "x"), "EPIPE");
  EXPECT_EQ(this->read(client), "(end)");
}

TYPED_TEST(TcpConformance, AResetIsToldByTheSocketErrorOnce) {
  const int client = this->make_reset_pair().client;
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->socket_error(client), "ECONNRESET");
  EXPECT_EQ(this->socket_error(client), "none");
  EXPECT_EQ(this->read(client), "(end)");
}

TYPED_TEST(TcpConformance, AResetSocketIsNotConnected) {
  const int client = this->make_reset_pair().client;
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(outcome(this->sys.peer_endpoint(client)), "ENOTCONN");
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ENOTCONN");
}

TYPED_TEST(TcpConformance, TheFirstSendToAClosedPeerSucceedsTheNextFails) {
  const auto [client, server] = this->make_pair();
  this->close(server);
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(this->send(client, "into the void"), "ok");
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->send(client, "x"), "EPIPE");
  EXPECT_EQ(this->send(client, "x"), "EPIPE");
  EXPECT_EQ(this->read(client), "(end)");
}

TYPED_TEST(TcpConformance, AResetBehindAFinIsABrokenPipeThatReadsDoNotSee) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(server, "data"), "ok");
  EXPECT_EQ(outcome(this->sys.shutdown_write(server)), "ok");
  EXPECT_EQ(this->send(client, "never read"), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
  this->close(server);
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->read(client), "data");
  EXPECT_EQ(this->read(client), "(end)");
  EXPECT_EQ(this->socket_error(client), "EPIPE");
}

TYPED_TEST(TcpConformance, ResetOnCloseResetsThePeer) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(server, "lost or not"), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(outcome(this->sys.set_option(server, SocketOption::reset_on_close, 1)), "ok");
  this->close(server);
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->socket_error(client), "ECONNRESET");
}

TYPED_TEST(TcpConformance, ResetOnCloseTurnedOffClosesAsEver) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(outcome(this->sys.set_option(server, SocketOption::reset_on_close, 1)), "ok");
  EXPECT_EQ(outcome(this->sys.set_option(server, SocketOption::reset_on_close, 0)), "ok");
  this->close(server);
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(this->socket_error(client), "none");
}

TYPED_TEST(TcpConformance, AnAcceptedSocketInheritsResetOnClose) {
  const int listener = this->make_listener();
  EXPECT_EQ(outcome(this->sys.set_option(listener, SocketOption::reset_on_close, 1)), "ok");
  const int client = this->start_connect(listener);
  this->close(this->accept(listener));
  EXPECT_TRUE(this->becomes(client, kFailed));
}

TYPED_TEST(TcpConformance, BehindTwoFinsNobodyIsReset) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(client, "never read"), "ok");
  EXPECT_EQ(outcome(this->sys.shutdown_write(client)), "ok");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
  EXPECT_EQ(outcome(this->sys.shutdown_write(server)), "ok");
  EXPECT_TRUE(this->becomes(client, kEnded));
  this->close(server);
  EXPECT_TRUE(this->becomes(client, kEnded));
  EXPECT_EQ(this->socket_error(client), "none");
}

}  // namespace
}  // namespace skysock::conformance
