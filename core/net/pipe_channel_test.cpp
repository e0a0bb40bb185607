// Do packets come out of the pipe as they went in, wherever the stream is cut and whoever writes at
// the same time?

#include "core/net/pipe_channel.hpp"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "core/sys/linux.hpp"

namespace skysock {
namespace {

using Packets = std::vector<std::expected<ControlPacket, ControlError>>;

class PipeChannelOnLinux : public testing::Test {
 protected:
  Packets receive() {
    Packets packets;
    channel.receive([&](const auto& packet) { packets.push_back(packet); });
    return packets;
  }
  void write_raw(std::span<const std::byte> bytes) {
    ASSERT_EQ(sys.write(channel.write_fd(), bytes).value(), bytes.size());
  }

  LinuxSys sys;
  PipeChannel<LinuxSys> channel = std::move(*PipeChannel<LinuxSys>::create(sys));
};

std::vector<std::byte> stream_of(std::initializer_list<ControlPacket> packets) {
  std::vector<std::byte> stream;
  for (const ControlPacket& packet : packets) {
    const EncodedPacket encoded = encode(packet);
    stream.insert(stream.end(), encoded.bytes().begin(), encoded.bytes().end());
  }
  return stream;
}

TEST_F(PipeChannelOnLinux, AnEmptyPipeGivesNothing) { EXPECT_TRUE(receive().empty()); }

TEST_F(PipeChannelOnLinux, SeveralPacketsComeOutOfOneRead) {
  for (SocketId id = 1; id <= 100; ++id) {
    ASSERT_TRUE(channel.send(encode(StartPacket{.id = id, .requester = 1})).has_value());
  }
  const Packets packets = receive();
  ASSERT_EQ(packets.size(), 100U);
  EXPECT_TRUE(packets.back().value() == ControlPacket(StartPacket{.id = 100, .requester = 1}));
}

TEST_F(PipeChannelOnLinux, AStreamCutAnywhereGivesThePacketsOfTheUncutOne) {
  const auto stream = stream_of({StartPacket{.id = 1, .requester = 2},
                                 OpenPacket{.id = 3, .requester = 4, .port = 5, .host = "::1"},
                                 ExitPacket{}, ClosePacket{.id = 6}});
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    const std::span<const std::byte> whole(stream);
    write_raw(whole.first(cut));
    Packets packets = receive();
    write_raw(whole.subspan(cut));
    for (auto& packet : receive()) packets.push_back(packet);
    ASSERT_EQ(packets.size(), 4U) << "cut at " << cut;
    EXPECT_TRUE(packets[1].value() ==
                ControlPacket(OpenPacket{.id = 3, .requester = 4, .port = 5, .host = "::1"}));
    EXPECT_TRUE(packets[3].value() == ControlPacket(ClosePacket{.id = 6}));
  }
}

TEST_F(PipeChannelOnLinux, AMalformedPacketCostsOnlyItself) {
  auto stream = stream_of({StartPacket{.id = 1}, StartPacket{.id = 2}, StartPacket{.id = 3}});
  stream[10] = std::byte{'?'};
  write_raw(stream);
  const Packets packets = receive();
  ASSERT_EQ(packets.size(), 3U);
  EXPECT_TRUE(packets[0].has_value());
  EXPECT_EQ(packets[1].error(), ControlError::unknown_type);
  EXPECT_TRUE(packets[2].has_value());
}

TEST_F(PipeChannelOnLinux, WritersThatRaceNeverMixTheirPackets) {
  constexpr int kWriters = 4;
  constexpr int kEach = 20'000;  // Far more than the pipe holds: writers block and go on.
  std::vector<std::thread> writers;
  for (int writer = 1; writer <= kWriters; ++writer) {
    writers.emplace_back([this, writer] {
      for (SocketId id = 1; id <= kEach; ++id) {
        const auto requester = static_cast<ServiceHandle>(writer);
        EXPECT_TRUE(
            channel.send(encode(StartPacket{.id = id, .requester = requester})).has_value());
      }
    });
  }
  std::map<ServiceHandle, SocketId> last;
  int received = 0;
  while (received < kWriters * kEach) {
    for (const auto& packet : receive()) {
      ASSERT_TRUE(packet.has_value());
      const auto& start = std::get<StartPacket>(*packet);
      EXPECT_EQ(start.id, last[start.requester] + 1) << "order of one writer";
      last[start.requester] = start.id;
      ++received;
    }
  }
  for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace skysock
