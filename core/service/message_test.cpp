// Does forward_message keep everything about an event but text beyond its limit?

#include "core/service/message.hpp"

#include <gtest/gtest.h>

#include <string>

namespace skysock {
namespace {

SocketMessage forward(EventKind kind, std::string_view data, std::int64_t ud = 0) {
  Message message = forward_message(
      Event{.kind = kind, .id = 5, .to = 9, .ud = ud, .data = Block::copy_of(data)});
  EXPECT_EQ(message.type, MessageType::socket);
  EXPECT_EQ(message.source, 0U);
  EXPECT_EQ(message.session, 0);
  return std::get<SocketMessage>(std::move(message.payload));
}

TEST(ForwardMessage, KindsHaveSkynetsPublicNumbers) {
  EXPECT_EQ(static_cast<int>(forward(EventKind::data, "").type), 1);
  EXPECT_EQ(static_cast<int>(forward(EventKind::open, "").type), 2);
  EXPECT_EQ(static_cast<int>(forward(EventKind::close, "").type), 3);
  EXPECT_EQ(static_cast<int>(forward(EventKind::accept, "").type), 4);
  EXPECT_EQ(static_cast<int>(forward(EventKind::error, "").type), 5);
  EXPECT_EQ(static_cast<int>(forward(EventKind::udp, "").type), 6);
  EXPECT_EQ(static_cast<int>(forward(EventKind::warning, "").type), 7);
}

TEST(ForwardMessage, TextIsCutAtItsLimitAndNotBefore) {
  for (const EventKind kind : {EventKind::open, EventKind::accept, EventKind::error}) {
    for (const std::size_t size : {0U, 127U, 128U, 129U, 1'000U}) {
      const std::string text(size, 't');
      EXPECT_EQ(forward(kind, text).data.text(), text.substr(0, kSocketTextBytesMax));
    }
  }
}

TEST(ForwardMessage, ADatagramIsPayloadAndNoText) {
  const std::string payload(1'000, 'u');
  const SocketMessage message = forward(EventKind::udp, payload + "address", 1'000);
  EXPECT_EQ(message.data.text(), payload + "address");
  EXPECT_EQ(message.ud, 1'000);
}

TEST(ForwardMessage, AWarningCarriesItsKibibytesOnly) {
  const SocketMessage message = forward(EventKind::warning, "", 64);
  EXPECT_EQ(message.ud, 64);
  EXPECT_TRUE(message.data.empty());
}

TEST(ForwardMessage, AHandoverIsAConnectThatSaysSo) {
  const SocketMessage message = forward(EventKind::handover, "");
  EXPECT_EQ(message.type, SocketMessageType::connect);
  EXPECT_EQ(message.data.text(), "handover");
  EXPECT_EQ(message.id, 5);
}

TEST(ForwardMessage, APayloadMovesWhateverItsSize) {
  Block block = Block::copy_of(std::string(100'000, 'd'));
  const std::byte* before = block.bytes().data();
  Message message =
      forward_message(Event{.kind = EventKind::data, .id = 1, .ud = 7, .data = std::move(block)});
  const SocketMessage& forwarded = std::get<SocketMessage>(message.payload);
  EXPECT_EQ(forwarded.data.bytes().data(), before);
  EXPECT_EQ(forwarded.data.size(), 100'000U);
  EXPECT_EQ(forwarded.ud, 7);
}

}  // namespace
}  // namespace skysock
