// Does every packet survive the wire, and is every malformed one an error and never anything else?

#include "core/net/control_packet.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <span>
#include <vector>

namespace skysock {
namespace {

using Bytes = std::vector<std::byte>;

Bytes wire(const ControlPacket& packet) {
  const EncodedPacket encoded = encode(packet);
  return {encoded.bytes().begin(), encoded.bytes().end()};
}

UdpAddress address_of(const std::string& host) {
  return UdpAddress::from_endpoint(*Endpoint::from_numeric(host, 53));
}

/// Every packet there is, each with both kinds of address and of mode that it may have.
const std::vector<ControlPacket>& samples() {
  static const std::vector<ControlPacket> packets = {
      StartPacket{.id = 1, .requester = 7},
      ListenPacket{.id = 65'536, .requester = 7, .fd = 0x1234'5678'9ABCU},
      OpenPacket{.id = INT32_MAX, .requester = 1, .port = 65'535, .host = "127.0.0.1"},
      OpenPacket{.id = 2, .requester = 1, .port = 1, .host = std::string(kHostBytesMax, 'h')},
      ClosePacket{.id = 3, .requester = 2},
      ClosePacket{
          .id = 3, .requester = 2, .mode = CloseMode::abortive, .answer = CloseAnswer::wanted},
      SendPacket{.id = 4, .payload = UINT64_MAX, .priority = Priority::high},
      SendPacket{.id = 4, .payload = 1, .priority = Priority::low},
      BindPacket{.id = 5, .requester = 3, .fd = 1},
      UdpPacket{.id = 5, .requester = 3, .fd = 2},
      DialPacket{.id = 6, .requester = 4, .fd = 3, .address = address_of("127.0.0.1")},
      DialPacket{.id = 6, .requester = 4, .fd = 3, .address = address_of("::1")},
      SendToPacket{.id = 7, .payload = 4, .address = address_of("192.0.2.1")},
      SendToPacket{.id = 7, .payload = 4, .address = address_of("2001:db8::1")},
      SetAddressPacket{.id = 8, .address = address_of("192.0.2.2")},
      SetAddressPacket{.id = 8, .address = address_of("2001:db8::2")},
      OptionPacket{.id = 9, .option = ConnectionOption::idle_timeout_ms, .value = 86'400'000},
      HoldPacket{.id = 10, .requester = 5, .mode = HoldMode::give_back, .payload = 6},
      ArmWritePacket{.id = 11},
      ExitPacket{},
  };
  return packets;
}

ControlError error_of(const Bytes& bytes) {
  const auto decoded = decode(bytes);
  EXPECT_FALSE(decoded.has_value());
  return decoded ? ControlError{} : decoded.error();
}

TEST(ControlPacket, DecodeOfEncodeIsThePacket) {
  for (const ControlPacket& packet : samples()) {
    const auto decoded = decode(wire(packet));
    ASSERT_TRUE(decoded.has_value()) << to_text(decoded.error());
    EXPECT_TRUE(*decoded == packet);
  }
}

TEST(ControlPacket, TheFirstByteIsTheLetterOfTheSeeds) {
  std::string letters;
  for (const ControlPacket& packet : samples()) letters += static_cast<char>(wire(packet)[0]);
  EXPECT_EQ(letters, "SLOOKKDPBUNNAACCTHWX");
}

TEST(ControlPacket, EveryTruncationIsAnError) {
  for (const ControlPacket& packet : samples()) {
    const Bytes whole = wire(packet);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(error_of(cut), size < 2 ? ControlError::no_header : ControlError::wrong_length);
    }
  }
}

TEST(ControlPacket, AByteTooManyIsAnError) {
  for (const ControlPacket& packet : samples()) {
    Bytes longer = wire(packet);
    longer.push_back(std::byte{0});
    EXPECT_EQ(error_of(longer), ControlError::wrong_length);
  }
}

TEST(ControlPacket, ALengthThatIsConsistentButIllegalForTheTypeIsAnError) {
  struct Legal {
    char type;
    std::size_t min;
    std::size_t max;
  };
  // An address takes 7 bytes or 19; one of a length between is an error of its own.
  constexpr Legal kLegal[] = {{'S', 8, 8},   {'L', 16, 16}, {'O', 12, 211}, {'B', 16, 16},
                              {'U', 16, 16}, {'N', 23, 35}, {'K', 9, 9},    {'D', 12, 12},
                              {'P', 12, 12}, {'A', 19, 31}, {'C', 11, 23},  {'T', 13, 13},
                              {'H', 17, 17}, {'W', 4, 4},   {'X', 0, 0}};
  for (const auto& [type, min, max] : kLegal) {
    for (std::size_t length = 0; length <= kPacketPayloadBytesMax; ++length) {
      Bytes bytes(kPacketHeaderBytes + length, std::byte{1});
      bytes[0] = static_cast<std::byte>(type);
      bytes[1] = static_cast<std::byte>(length);
      const auto decoded = decode(bytes);
      const bool wrong_length = !decoded && decoded.error() == ControlError::wrong_length;
      EXPECT_EQ(wrong_length, length < min || length > max) << type << " " << length;
    }
  }
}

TEST(ControlPacket, OnlyFifteenLettersAreTypes) {
  int known = 0;
  for (int letter = 0; letter < 256; ++letter) {
    const Bytes bytes = {static_cast<std::byte>(letter), std::byte{0}};
    const auto decoded = decode(bytes);
    known += decoded || decoded.error() != ControlError::unknown_type ? 1 : 0;
  }
  EXPECT_EQ(known, 15);
}

TEST(ControlPacket, IdsFromOneToTheLargestAreLegalAndNoOthers) {
  for (const SocketId id : {0, -1, INT32_MIN}) {
    Bytes bytes = wire(StartPacket{.id = 1});
    std::memcpy(bytes.data() + 2, &id, sizeof id);
    EXPECT_EQ(error_of(bytes), ControlError::bad_id);
  }
}

TEST(ControlPacket, AnUnknownCloseFlagIsAnError) {
  for (int flags = 4; flags < 256; ++flags) {
    Bytes bytes = wire(ClosePacket{.id = 1});
    bytes.back() = static_cast<std::byte>(flags);
    EXPECT_EQ(error_of(bytes), ControlError::bad_flags);
  }
}

TEST(ControlPacket, AnOptionValueThatNoSocketTakesIsAnError) {
  for (const std::int64_t value : {std::int64_t{-1}, std::int64_t{2}, INT64_MIN, INT64_MAX}) {
    Bytes bytes = wire(OptionPacket{.id = 1, .option = ConnectionOption::nodelay, .value = 1});
    std::memcpy(bytes.data() + bytes.size() - sizeof value, &value, sizeof value);
    EXPECT_EQ(error_of(bytes), ControlError::bad_flags) << value;
  }
}

TEST(ControlPacket, AHostWithoutItsNulOrWithTwoIsAnError) {
  Bytes open = wire(OpenPacket{.id = 1, .port = 1, .host = "abc"});
  Bytes unterminated = open;
  unterminated.back() = std::byte{'x'};
  EXPECT_EQ(error_of(unterminated), ControlError::unterminated_host);
  Bytes embedded = open;
  embedded[embedded.size() - 3] = std::byte{0};
  EXPECT_EQ(error_of(embedded), ControlError::unterminated_host);
}

TEST(ControlPacket, EveryErrorHasWordsOfItsOwn) {
  std::set<std::string_view> words;
  for (const ControlError error :
       {ControlError::no_header, ControlError::unknown_type, ControlError::wrong_length,
        ControlError::bad_id, ControlError::bad_flags, ControlError::bad_address,
        ControlError::unterminated_host}) {
    words.insert(to_text(error));
  }
  EXPECT_EQ(words.size(), 7U);
}

TEST(ControlPacket, AnUnknownHoldModeOrOptionIsAnError) {
  const std::string packets[] = {std::string("H\x11\x01\0\0\0\x07\0\0\0\x04\0\0\0\0\0\0\0\0", 19),
                                 std::string("T\x0d\x01\0\0\0\x7f\0\0\0\0\0\0\0\0", 15)};
  for (const std::string& packet : packets) {
    const auto decoded = decode(std::as_bytes(std::span(packet)));
    ASSERT_FALSE(decoded.has_value());
    EXPECT_EQ(decoded.error(), ControlError::bad_flags) << packet[0];
  }
}

}  // namespace
}  // namespace skysock
