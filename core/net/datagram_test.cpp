// Do datagram sockets do what part 1 and part 0 of the specification say, on both kernels: making,
// addresses, sizes, errors, ends?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/net/shared_slot.hpp"
#include "core/net/test_kernels.hpp"
#include "core/net/test_world.hpp"

namespace skysock {
namespace {

/// A raw datagram socket of the same kernel.
template <typename Sys>
struct RawPeer {
  RawPeer(World<Sys>& world_in, const char* host) : world(world_in) {
    const Endpoint at = *Endpoint::from_numeric(host, 0);
    fd = world.keep(world.sys.datagram_socket(at.family()).value());
    EXPECT_TRUE(world.sys.bind(fd, at).has_value());
    port = world.sys.local_endpoint(fd)->port();
  }

  /// The next datagram, polling the server until there is one.
  std::optional<std::string> take() {
    std::vector<std::byte> room(70'000);
    std::optional<std::string> text;
    EXPECT_TRUE(world.until([&] {
      const auto got = world.sys.receive_from(fd, room);
      if (!got) return false;
      text = std::string(reinterpret_cast<const char*>(room.data()), got->bytes);
      from = got->from;
      return true;
    }));
    return text;
  }

  void send(std::string_view text, const Endpoint& to) {
    const auto sent = world.sys.send_to(fd, std::as_bytes(std::span(text)), to);
    EXPECT_TRUE(sent.has_value()) << sent.error().message();
  }

  World<Sys>& world;
  int fd = -1;
  std::uint16_t port = 0;
  Endpoint from;
};

template <typename Sys>
class DatagramsOn : public testing::Test {
 protected:
  SocketId made(Result<SocketId> id) {
    EXPECT_TRUE(id.has_value()) << id.error().message();
    EXPECT_TRUE(world_.until([&] { return world_.server->state(*id) == State::udp; }));
    return *id;
  }
  Endpoint address_of(SocketId id, const char* host) {
    return *Endpoint::from_numeric(host, parse_host_port(world_.info_of(id).local)->port);
  }

  /// The payload and the source of a UDP event.
  static std::pair<std::string, UdpAddress> split(const Event& event) {
    const auto size = static_cast<std::size_t>(event.ud);
    const auto source = UdpAddress::from_bytes(event.data.bytes().subspan(size));
    EXPECT_TRUE(source.has_value());
    return {std::string(event.data.text().substr(0, size)), source.value_or(UdpAddress())};
  }

  World<Sys> world_;
};
TYPED_TEST_SUITE(DatagramsOn, TestKernels, KernelNames);

TYPED_TEST(DatagramsOn, ADatagramIsReportedWithItsSourceAndAnsweredThere) {
  auto& world = this->world_;
  for (const char* host : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(host);
    const SocketId id = this->made(world.server->udp(kOwner, host, 0));
    RawPeer<TypeParam> peer(world, host);
    peer.send("question", this->address_of(id, host));
    const Event* event = world.wait_for(EventKind::udp, id);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->to, kOwner);
    const auto [text, source] = this->split(*event);
    EXPECT_EQ(text, "question");
    EXPECT_EQ(source.endpoint().text(), Endpoint::from_numeric(host, peer.port)->text());
    const auto sent = world.server->send_to(id, source, Block::copy_of("answer"));
    EXPECT_EQ(sent.value(), SendOutcome::written);
    EXPECT_EQ(peer.take(), "answer");
    EXPECT_EQ(world.story_of(id), "U") << "no OPEN: it is usable at once";
  }
}

TYPED_TEST(DatagramsOn, ADialledSocketSendsToItsPeerAndHearsIt) {
  auto& world = this->world_;
  for (const char* host : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(host);
    RawPeer<TypeParam> peer(world, host);
    const SocketId id = this->made(world.server->udp_dial(kOwner, host, peer.port));
    EXPECT_EQ(world.server->send(id, Block::copy_of("direct")).value(), SendOutcome::written);
    EXPECT_EQ(peer.take(), "direct");
    EXPECT_EQ(world.server->send(id, Block::copy_of("low"), Priority::low).value(),
              SendOutcome::queued);
    EXPECT_EQ(peer.take(), "low");
    peer.send("back", peer.from);
    const Event* event = world.wait_for(EventKind::udp, id);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(this->split(*event).first, "back");
    EXPECT_EQ(world.info_of(id).peer, Endpoint::from_numeric(host, peer.port)->text());
  }
}

TYPED_TEST(DatagramsOn, ThoseThatTheCallerWroteItselfAreCountedToo) {
  auto& world = this->world_;
  RawPeer<TypeParam> peer(world, "127.0.0.1");
  const SocketId id = this->made(world.server->udp_dial(kOwner, "127.0.0.1", peer.port));
  for (std::uint64_t sent = 1; sent <= 2; ++sent) {
    ASSERT_TRUE(world.send(id, "x"));
    EXPECT_EQ(peer.take(), "x");
    EXPECT_EQ(world.server->counts().datagrams_written, sent);
  }
  EXPECT_GE(world.server->counts().direct_writes, 1U) << "the test proves nothing";
}

TYPED_TEST(DatagramsOn, AnAddressSurvivesItsCodec) {
  for (const char* host : {"127.0.0.1", "255.254.253.252", "::1", "2001:db8::ff"}) {
    const Endpoint endpoint = *Endpoint::from_numeric(host, 0x1234);
    const UdpAddress address = UdpAddress::from_endpoint(endpoint);
    const auto back = UdpAddress::from_bytes(address.bytes());
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, address);
    EXPECT_EQ(back->endpoint().text(), endpoint.text());
    for (std::size_t cut = 0; cut < address.bytes().size(); ++cut) {
      EXPECT_FALSE(UdpAddress::from_bytes(address.bytes().first(cut)).has_value());
    }
  }
}

TYPED_TEST(DatagramsOn, ADatagramOfNoBytesTravelsBothWays) {
  auto& world = this->world_;
  const SocketId id = this->made(world.server->udp(kOwner, "127.0.0.1", 0));
  RawPeer<TypeParam> peer(world, "127.0.0.1");
  peer.send("", this->address_of(id, "127.0.0.1"));
  const Event* event = world.wait_for(EventKind::udp, id);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->ud, 0);
  const UdpAddress source = this->split(*event).second;
  ASSERT_TRUE(world.server->send_to(id, source, Block()).has_value());
  EXPECT_EQ(peer.take(), "");
  EXPECT_TRUE(world.server->udp_connect(id, "127.0.0.1", peer.port).has_value());
  ASSERT_TRUE(world.server->send(id, Block(), Priority::low).has_value());
  EXPECT_EQ(peer.take(), "");
}

TYPED_TEST(DatagramsOn, A33_ADatagramThatIsTooLargeIsAnErrorAndTheNextOneGoesThrough) {
  auto& world = this->world_;
  RawPeer<TypeParam> peer(world, "127.0.0.1");
  const SocketId id = this->made(world.server->udp_dial(kOwner, "127.0.0.1", peer.port));
  ASSERT_TRUE(world.send(id, std::string(70'000, 'l')));
  ASSERT_TRUE(world.send(id, "next"));
  EXPECT_EQ(peer.take(), "next");
  const Event* error = world.wait_for(EventKind::error, id);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "Message too long");
  EXPECT_EQ(world.story_of(id), "E");
  EXPECT_EQ(world.server->state(id), State::udp);
  EXPECT_EQ(world.info_of(id).queued_bytes, 0U);
}

TYPED_TEST(DatagramsOn, OnePeerThatIsGoneDoesNotKeepDatagramsFromTheOthers) {
  auto& world = this->world_;
  std::uint16_t nobody = 0;
  {
    RawPeer<TypeParam> gone(world, "127.0.0.1");
    nobody = gone.port;
    world.peer_close(gone.fd);
  }
  RawPeer<TypeParam> peer(world, "127.0.0.1");
  const SocketId id = this->made(world.server->udp(kOwner, "127.0.0.1", 0));
  const auto to = [](std::uint16_t port) {
    return UdpAddress::from_endpoint(*Endpoint::from_numeric("127.0.0.1", port));
  };
  ASSERT_TRUE(world.server->send_to(id, to(nobody), Block::copy_of("anybody?")).has_value());
  const Event* error = world.wait_for(EventKind::error, id);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->data.text(), "Connection refused");
  ASSERT_TRUE(world.server->send_to(id, to(peer.port), Block::copy_of("you?")).has_value());
  EXPECT_EQ(peer.take(), "you?");
  EXPECT_EQ(world.story_of(id), "E");
  EXPECT_EQ(world.server->state(id), State::udp);
}

TYPED_TEST(DatagramsOn, AnIcmpErrorIsReportedAndTheSocketLivesOn) {
  auto& world = this->world_;
  for (const char* host : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(host);
    std::uint16_t nobody = 0;
    {
      RawPeer<TypeParam> gone(world, host);
      nobody = gone.port;
      world.peer_close(gone.fd);
    }
    const SocketId id = this->made(world.server->udp_dial(kOwner, host, nobody));
    ASSERT_TRUE(world.send(id, "anybody?"));
    const Event* error = world.wait_for(EventKind::error, id);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->data.text(), "Connection refused");
    world.settle();
    const std::uint64_t wakeups = world.server->counts().wakeups;
    world.settle();
    EXPECT_EQ(world.server->counts().wakeups, wakeups) << "it spins";
    EXPECT_EQ(world.story_of(id), "E");
    RawPeer<TypeParam> peer(world, host);
    ASSERT_TRUE(world.server->udp_connect(id, host, peer.port).has_value());
    ASSERT_TRUE(world.send(id, "you?"));
    EXPECT_EQ(peer.take(), "you?");
    world.close(id);
    ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
    EXPECT_EQ(world.story_of(id), "EC");
  }
}

TYPED_TEST(DatagramsOn, AnAddressOfTheOtherFamilyIsRefused) {
  auto& world = this->world_;
  const SocketId v4 = this->made(world.server->udp(kOwner, "127.0.0.1", 0));
  const SocketId v6 = this->made(world.server->udp(kOwner, "::1", 0));
  const auto to4 = UdpAddress::from_endpoint(*Endpoint::from_numeric("127.0.0.1", 9));
  const auto to6 = UdpAddress::from_endpoint(*Endpoint::from_numeric("::1", 9));
  EXPECT_EQ(world.server->send_to(v4, to6, Block::copy_of("x")).error(),
            std::errc::address_family_not_supported);
  EXPECT_EQ(world.server->send_to(v6, to4, Block::copy_of("x")).error(),
            std::errc::address_family_not_supported);
  EXPECT_EQ(world.server->send_to(v4, UdpAddress(), Block::copy_of("x")).error(),
            std::errc::address_family_not_supported);
  EXPECT_EQ(world.server->udp_connect(v4, "::1", 9).error(),
            std::errc::address_family_not_supported);
  EXPECT_EQ(world.server->udp_connect(v6, "127.0.0.1", 9).error(),
            std::errc::address_family_not_supported);
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(DatagramsOn, WithoutADestinationASendIsRefused) {
  auto& world = this->world_;
  const SocketId id = this->made(world.server->udp(kOwner, "", 0));
  EXPECT_EQ(world.server->send(id, Block::copy_of("x")).error(),
            std::errc::destination_address_required);
  EXPECT_EQ(world.server->send(id, Block::copy_of("x"), Priority::low).error(),
            std::errc::destination_address_required);
  EXPECT_EQ(world.server->counts().payloads_parked, 0U);
}

TYPED_TEST(DatagramsOn, A21_ADatagramSentBehindAnAddressChangeGoesToTheNewAddress) {
  auto& world = this->world_;
  RawPeer<TypeParam> old(world, "127.0.0.1");
  RawPeer<TypeParam> fresh(world, "127.0.0.1");
  const SocketId id = this->made(world.server->udp_dial(kOwner, "127.0.0.1", old.port));
  ASSERT_TRUE(world.send(id, "to the old one"));
  ASSERT_TRUE(world.server->udp_connect(id, "127.0.0.1", fresh.port).has_value());
  ASSERT_TRUE(world.send(id, "to the new one"));
  EXPECT_EQ(old.take(), "to the old one");
  EXPECT_EQ(fresh.take(), "to the new one");
}

TYPED_TEST(DatagramsOn, AHeldSocketReadsNothingUntilStartAndStillSends) {
  auto& world = this->world_;
  RawPeer<TypeParam> peer(world, "127.0.0.1");
  const SocketId id = this->made(world.server->udp_dial(kOwner, "127.0.0.1", peer.port));
  ASSERT_TRUE(world.send(id, "hello"));
  EXPECT_EQ(peer.take(), "hello");
  ASSERT_TRUE(world.server->hold(kOwner, id).has_value());
  world.settle();
  peer.send("waits", peer.from);
  world.settle();
  EXPECT_EQ(world.story_of(id), "");
  ASSERT_TRUE(world.send(id, "still"));
  EXPECT_EQ(peer.take(), "still");
  ASSERT_TRUE(world.server->start(kOther, id).has_value());
  const Event* event = world.wait_for(EventKind::udp, id);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->to, kOther);
  EXPECT_EQ(world.story_of(id), "OU");
}

TYPED_TEST(DatagramsOn, CloseIsAnsweredOnceAndTheDescriptorGone) {
  auto& world = this->world_;
  for (const CloseMode mode : {CloseMode::soft, CloseMode::abortive}) {
    const SocketId id = this->made(world.server->udp(kOwner, "127.0.0.1", 0));
    const Endpoint at = this->address_of(id, "127.0.0.1");
    world.close(id, mode);
    ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
    EXPECT_EQ(world.server->state(id), State::free);
    const int again = world.keep(world.sys.datagram_socket(AF_INET).value());
    EXPECT_TRUE(world.sys.bind(again, at).has_value()) << "the port is still taken";
    EXPECT_EQ(world.story_of(id), "C");
  }
}

TYPED_TEST(DatagramsOn, AnOwnerThatIsGoneIsFoundOutOnceHoweverManyDatagramsFail) {
  auto& world = this->world_;
  const SocketId id = this->made(world.server->udp(kOwner, "127.0.0.1", 0));
  // No kernel sends to port 0. The first goes through the reactor too, after its direct write.
  const auto nowhere = UdpAddress::from_endpoint(*Endpoint::from_numeric("127.0.0.1", 0));
  constexpr int kDatagrams = 1'000;  // Of so many, the packets fit into a pipe.
  for (int count = 0; count < kDatagrams; ++count) {
    ASSERT_TRUE(world.server->send_to(id, nowhere, Block::copy_of("x")).has_value());
  }
  world.dead.insert(kOwner);
  EXPECT_TRUE(world.until([&] { return world.server->state(id) == State::free; }));
  EXPECT_EQ(world.server->counts().dropped_sends, std::uint64_t{kDatagrams});
  EXPECT_EQ(world.server->counts().refused_events, 2U) << "ERR and CLOSE";
}

TYPED_TEST(DatagramsOn, ATakenPortIsAnErrorInTheCallerAndLeavesNothing) {
  auto& world = this->world_;
  RawPeer<TypeParam> peer(world, "127.0.0.1");
  EXPECT_EQ(world.server->udp(kOwner, "127.0.0.1", peer.port).error(), std::errc::address_in_use);
  EXPECT_EQ(world.server->counts().slots_used, 0U);
}

/// A service that runs on the reactor's thread sends past the channel, where the dial of another
/// thread still waits.
/// Who sends meanwhile must never be told that the socket has no destination.
TEST(Datagrams, AnAddressChangeIsNeverSeenAsNoDestination) {
  Addressing addressing;
  EXPECT_FALSE(addressing.has_destination());
  addressing.change_posted();  // The first one, before there is any.
  EXPECT_TRUE(addressing.has_destination());
  addressing.change_posted();
  addressing.set_addressed();
  addressing.change_done();
  EXPECT_TRUE(addressing.has_destination());
  EXPECT_TRUE(addressing.changes()) << "one is still on its way";
  addressing.change_done();
  EXPECT_TRUE(addressing.has_destination());
  EXPECT_FALSE(addressing.changes());
  addressing.change_done();  // Of a packet that nobody announced.
  EXPECT_TRUE(addressing.has_destination());
  EXPECT_FALSE(addressing.changes());
  addressing.change_posted();
  EXPECT_TRUE(addressing.has_destination());
  addressing.reset();
  EXPECT_FALSE(addressing.has_destination());
}

TEST(Datagrams, ASendThatOvertakesItsDialIsNotLost) {
  World<SimKernel>* inside = nullptr;
  SocketId id = 0;
  bool sent = false;
  World<SimKernel> world({}, [&] {
    if (id != 0 && !sent) sent = inside->send(id, "early");
  });
  inside = &world;
  SimUdpPeer peer = world.sys.udp_peer(*Endpoint::from_numeric("192.0.2.1", 9));
  ASSERT_TRUE(world.server->start(kOther, INT32_MAX).has_value());  // Its answer lets it run.
  id = world.server->udp_dial(kOwner, "192.0.2.1", 9).value();
  world.settle();
  ASSERT_TRUE(sent);
  const auto got = peer.take();
  ASSERT_TRUE(got.has_value()) << "dropped, though send() took it";
  EXPECT_EQ(got->text, "early");
}

TEST(Datagrams, ASoftCloseSendsWhatWaitsAndAnIcmpErrorMeanwhileIsNotTold) {
  World<SimKernel> world(parse_tuning("direct_write=0").value());
  const Endpoint at = *Endpoint::from_numeric("192.0.2.1", 9);
  const SocketId id = world.server->udp_dial(kOwner, "192.0.2.1", 9).value();
  world.settle();
  SimUdpPeer peer = world.sys.udp_peer(at);
  for (int turn = 0; turn < 3; ++turn) world.sys.fail_next(Call::send_to, EAGAIN);
  world.sys.fail_next(Call::send_to, ECONNREFUSED);
  ASSERT_TRUE(world.send(id, "lost to the error"));
  ASSERT_TRUE(world.send(id, "last"));
  world.close(id);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  EXPECT_EQ(world.story_of(id), "C");
  EXPECT_EQ(peer.take()->text, "last");
  EXPECT_FALSE(peer.take().has_value());
}

TEST(Datagrams, ACloseWaitsForADatagramOfNoBytesAndASecondOneToo) {
  World<SimKernel> world(parse_tuning("direct_write=0").value());
  const SocketId id = world.server->udp_dial(kOwner, "192.0.2.1", 9).value();
  world.settle();
  SimUdpPeer peer = world.sys.udp_peer(*Endpoint::from_numeric("192.0.2.1", 9));
  for (int turn = 0; turn < 6; ++turn) world.sys.fail_next(Call::send_to, EAGAIN);
  ASSERT_TRUE(world.send(id, ""));
  world.server->poll(0);
  world.close(id);
  world.server->poll(0);
  EXPECT_EQ(world.server->state(id), State::udp_draining);
  world.close(id);
  ASSERT_NE(world.wait_for(EventKind::close, id), nullptr);
  EXPECT_TRUE(peer.take().has_value());
  EXPECT_EQ(world.story_of(id), "C");
}

}  // namespace
}  // namespace skysock
