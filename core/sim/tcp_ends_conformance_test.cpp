// Do LinuxSys and SimKernel end TCP connections alike: by FIN in any order, by RST with bytes on
// either side? Every test runs on both; tcp_conformance_test.cpp has the plain cases.

#include "core/sim/conformance.hpp"

namespace skysock::conformance {
namespace {

constexpr std::uint32_t kEnded = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP;
constexpr std::uint32_t kFailed = kEnded | EPOLLERR;
constexpr std::uint32_t kHalf = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

template <typename Sys>
class TcpEndsConformance : public KernelTest<Sys> {
 protected:
  std::string shut(int fd) { return outcome(this->sys.shutdown_write(fd)); }
  std::string reset(int fd) {
    const auto set = this->sys.set_option(fd, SocketOption::reset_on_close, 1);
    this->close(fd);
    return outcome(set);
  }
};
TYPED_TEST_SUITE(TcpEndsConformance, Kernels, KernelName);

// ---- By FIN

TYPED_TEST(TcpEndsConformance, WhoeverEndsFirstStillReads) {
  for (const bool server_first : {false, true}) {
    const auto [client, server] = this->make_pair();
    const int first = server_first ? server : client;
    const int last = server_first ? client : server;
    EXPECT_EQ(this->shut(first), "ok");
    EXPECT_TRUE(this->becomes(last, kHalf));
    EXPECT_EQ(this->send(last, "one, "), "ok");
    EXPECT_EQ(this->send(last, "two"), "ok");
    EXPECT_EQ(this->shut(last), "ok");
    EXPECT_TRUE(this->becomes(first, kEnded));
    EXPECT_EQ(this->read(first), "one, two");
    EXPECT_EQ(this->read(first), "(end)");
    EXPECT_TRUE(this->becomes(last, kEnded));
    EXPECT_EQ(this->read(last), "(end)");
  }
}

TYPED_TEST(TcpEndsConformance, FinsMayCrossBehindBytesOfBothSides) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(client, "question"), "ok");
  EXPECT_EQ(this->send(server, "statement"), "ok");
  EXPECT_EQ(this->shut(client), "ok");
  EXPECT_EQ(this->shut(server), "ok");
  for (const int fd : {client, server}) EXPECT_TRUE(this->becomes(fd, kEnded));
  EXPECT_EQ(this->read(client), "statement");
  EXPECT_EQ(this->read(server), "question");
  for (const int fd : {client, server}) {
    EXPECT_EQ(this->read(fd), "(end)");
    EXPECT_EQ(this->socket_error(fd), "none");
  }
}

TYPED_TEST(TcpEndsConformance, AFinWaitsBehindBytesThatHaveNoRoom) {
  const auto [client, server] = this->make_pair();
  const std::size_t sent = this->fill_up(client);
  EXPECT_EQ(this->shut(client), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLOUT)) << "nothing more can be sent, which a send tells";
  EXPECT_EQ(this->send(client, "x"), "EPIPE");
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->send(server, "the other way is free"), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->drain(server, sent), sent);
  EXPECT_TRUE(this->becomes(server, kHalf));
  EXPECT_EQ(this->read(server), "(end)");
}

TYPED_TEST(TcpEndsConformance, TheEndpointsOfAnEndedConnectionAreGoneOnlyForPeers) {
  const auto [client, server] = this->make_pair();
  const std::string client_text = this->local(client).text();
  const std::string server_text = this->local(server).text();
  EXPECT_EQ(this->shut(client), "ok");
  EXPECT_TRUE(this->becomes(server, kHalf));
  EXPECT_EQ(this->sys.peer_endpoint(client).value().text(), server_text) << "one FIN";
  EXPECT_EQ(this->sys.peer_endpoint(server).value().text(), client_text) << "one FIN";
  EXPECT_EQ(this->shut(server), "ok");
  EXPECT_TRUE(this->becomes(client, kEnded));
  EXPECT_EQ(outcome(this->sys.peer_endpoint(client)), "ENOTCONN");
  EXPECT_EQ(this->local(client).text(), client_text);
  EXPECT_EQ(this->local(server).text(), server_text);
}

TYPED_TEST(TcpEndsConformance, AClosedPeerReadsAsAnEndUntilSomethingIsSent) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(server, "bye"), "ok");
  this->close(server);
  EXPECT_TRUE(this->becomes(client, kHalf));
  EXPECT_EQ(this->read(client), "bye");
  EXPECT_EQ(this->read(client), "(end)");
  EXPECT_EQ(outcome(this->sys.peer_endpoint(client)), "ok");
  EXPECT_EQ(this->send(client, "into the void"), "ok");
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(outcome(this->sys.peer_endpoint(client)), "ENOTCONN");
  EXPECT_EQ(this->read(client), "(end)") << "a read does not tell";
  EXPECT_EQ(this->socket_error(client), "EPIPE");
  EXPECT_EQ(this->socket_error(client), "none");
  EXPECT_TRUE(this->becomes(client, kEnded));
}

TYPED_TEST(TcpEndsConformance, AnswersToAPeerThatClosedBothWaysMeetNobody) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(client, "question"), "ok");
  EXPECT_EQ(this->shut(client), "ok");
  this->close(client);
  EXPECT_TRUE(this->becomes(server, kHalf));
  EXPECT_EQ(this->read(server), "question");
  EXPECT_EQ(this->send(server, "answer"), "ok");
  EXPECT_TRUE(this->becomes(server, kFailed));
  EXPECT_EQ(this->send(server, "more"), "EPIPE");
  EXPECT_EQ(this->socket_error(server), "none") << "the send told it";
}

// ---- By RST

TYPED_TEST(TcpEndsConformance, AClientThatClosesWithUnreadBytesResetsTheServer) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(client, "request"), "ok");
  EXPECT_EQ(this->send(server, "never read"), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
  EXPECT_TRUE(this->becomes(server, EPOLLIN | EPOLLOUT));
  this->close(client);
  EXPECT_TRUE(this->becomes(server, kFailed));
  EXPECT_EQ(this->read(server, 3), "req");
  EXPECT_EQ(this->read(server, 3), "ues");
  EXPECT_EQ(this->read(server, 3), "t");
  EXPECT_EQ(this->read(server), "ECONNRESET");
  EXPECT_EQ(this->read(server), "(end)");
}

TYPED_TEST(TcpEndsConformance, TheErrorOfAResetMayBeTakenBeforeTheBytes) {
  const int by_option = this->make_reset_pair("data").client;
  EXPECT_TRUE(this->becomes(by_option, kFailed));
  EXPECT_EQ(this->socket_error(by_option), "ECONNRESET");
  EXPECT_TRUE(this->becomes(by_option, kEnded));
  const int by_send = this->make_reset_pair("data").client;
  EXPECT_TRUE(this->becomes(by_send, kFailed));
  EXPECT_EQ(this->send(by_send, "x"), "ECONNRESET");
  for (const int fd : {by_option, by_send}) {
    EXPECT_EQ(this->send(fd, "x"), "EPIPE");
    EXPECT_EQ(this->read(fd), "data");
    EXPECT_EQ(this->read(fd), "(end)");
    EXPECT_EQ(this->socket_error(fd), "none");
  }
}

TYPED_TEST(TcpEndsConformance, AResetBehindTheOwnFinIsAnError) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(client, "never read"), "ok");
  EXPECT_EQ(this->shut(client), "ok");
  EXPECT_TRUE(this->becomes(server, kHalf));
  this->close(server);
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->read(client), "ECONNRESET");
  EXPECT_EQ(this->read(client), "(end)");
  EXPECT_EQ(this->shut(client), "ENOTCONN");
}

TYPED_TEST(TcpEndsConformance, AResetKeepsTheLocalEndpoint) {
  const auto [client, server] = this->make_pair();
  const std::string client_text = this->local(client).text();
  EXPECT_EQ(this->reset(server), "ok");
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->local(client).text(), client_text);
  EXPECT_EQ(outcome(this->sys.peer_endpoint(client)), "ENOTCONN");
  EXPECT_EQ(outcome(this->sys.accept(client)), "EINVAL");
  EXPECT_EQ(this->socket_error(client), "ECONNRESET") << "the questions left the error alone";
}

TYPED_TEST(TcpEndsConformance, AResetSparesBytesThatHadArrived) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->send(server, "data"), "ok");
  EXPECT_TRUE(this->becomes(client, EPOLLIN | EPOLLOUT));
  EXPECT_EQ(this->reset(server), "ok");
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->receive(client), "data");
  EXPECT_EQ(this->receive(client), "ECONNRESET");
  EXPECT_EQ(this->receive(client), "(end)");
}

TYPED_TEST(TcpEndsConformance, AResetLosesBytesThatHadNotLeft) {
  const auto [client, server] = this->make_pair();
  const std::size_t sent = this->fill_up(server);
  EXPECT_EQ(this->reset(server), "ok");
  EXPECT_TRUE(this->becomes(client, kFailed));
  std::vector<std::byte> buffer(65'536);
  std::size_t total = 0;
  auto got = this->sys.read(client, buffer);
  for (; got.value_or(0) > 0; got = this->sys.read(client, buffer)) total += *got;
  EXPECT_EQ(outcome(got), "ECONNRESET");
  EXPECT_EQ(class_of(total, sent), "part");
  EXPECT_EQ(this->read(client), "(end)");
}

TYPED_TEST(TcpEndsConformance, AResetEndsTheWaitOfAFullSender) {
  const auto [client, server] = this->make_pair();
  EXPECT_GT(this->fill_up(client), 0U);
  EXPECT_TRUE(this->becomes(client, 0));
  this->close(server);
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->send(client, "x"), "ECONNRESET");
  EXPECT_EQ(this->send(client, "x"), "EPIPE");
  EXPECT_EQ(this->read(client), "(end)");
}

TYPED_TEST(TcpEndsConformance, ResetOnCloseResetsBehindTheOwnFinToo) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->shut(server), "ok");
  EXPECT_TRUE(this->becomes(client, kHalf));
  EXPECT_EQ(this->reset(server), "ok");
  EXPECT_TRUE(this->becomes(client, kFailed));
  EXPECT_EQ(this->read(client), "(end)") << "the FIN was first";
  EXPECT_EQ(this->socket_error(client), "EPIPE");
}

TYPED_TEST(TcpEndsConformance, ResetOnCloseSparesAPeerThatGotBothFins) {
  const auto [client, server] = this->make_pair();
  EXPECT_EQ(this->shut(client), "ok");
  EXPECT_TRUE(this->becomes(server, kHalf));
  EXPECT_EQ(this->shut(server), "ok");
  EXPECT_TRUE(this->becomes(client, kEnded));
  EXPECT_EQ(this->reset(server), "ok");
  EXPECT_TRUE(this->becomes(client, kEnded));
  EXPECT_EQ(this->socket_error(client), "none");
}

TYPED_TEST(TcpEndsConformance, AListenerHasNoErrorAfterItsClientsFailed) {
  const int listener = this->make_listener();
  const int client = this->start_connect(listener);
  EXPECT_TRUE(this->becomes(client, EPOLLOUT));
  EXPECT_EQ(this->reset(client), "ok");
  EXPECT_TRUE(this->becomes(listener, EPOLLIN)) << "it waits until it is accepted";
  EXPECT_EQ(this->socket_error(listener), "none");
  this->close(this->accept(listener));
  EXPECT_TRUE(this->becomes(listener, 0));
  EXPECT_TRUE(this->becomes(this->start_connect(listener), EPOLLOUT));
}

}  // namespace
}  // namespace skysock::conformance
