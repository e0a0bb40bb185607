// What does it cost to write a control packet of each type and to read it back, and to cut a stream
// of all of them apart? No channel, no second thread: the codec alone.

#include <string>
#include <utility>
#include <vector>

#include "bench/harness.hpp"
#include "core/base/check.hpp"
#include "core/net/control_packet.hpp"
#include "core/net/packet_cutter.hpp"

namespace skysock::bench {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kStreamBytes = 65'536;  // What one read(2) of the pipe takes at most.

struct Sample {
  std::string letter;
  ControlPacket packet;
};

UdpAddress some_address() {
  return UdpAddress::from_endpoint(*Endpoint::from_numeric("192.0.2.1", 8001));
}

/// One of each type as a busy server sees them: large ids and tokens, a host name of usual length.
std::vector<Sample> samples() {
  constexpr SocketId kId = 0x1234'5678;
  constexpr ServiceHandle kService = 0x0100'000a;
  constexpr Token kToken = 0x0000'1234'0000'5678;
  return {
      {"S", StartPacket{.id = kId, .requester = kService}},
      {"L", ListenPacket{.id = kId, .requester = kService, .fd = kToken}},
      {"O",
       OpenPacket{.id = kId, .requester = kService, .port = 443, .host = "server.example.org"}},
      {"B", BindPacket{.id = kId, .requester = kService, .fd = kToken}},
      {"U", UdpPacket{.id = kId, .requester = kService, .fd = kToken}},
      {"N", DialPacket{.id = kId, .requester = kService, .fd = kToken, .address = some_address()}},
      {"K", ClosePacket{.id = kId, .requester = kService, .answer = CloseAnswer::wanted}},
      {"D", SendPacket{.id = kId, .payload = kToken}},
      {"P", SendPacket{.id = kId, .payload = kToken, .priority = Priority::low}},
      {"A", SendToPacket{.id = kId, .payload = kToken, .address = some_address()}},
      {"C", SetAddressPacket{.id = kId, .address = some_address()}},
      {"T", OptionPacket{.id = kId, .option = ConnectionOption::nodelay, .value = 1}},
      {"H", HoldPacket{.id = kId, .requester = kService, .mode = HoldMode::hold}},
      {"W", ArmWritePacket{.id = kId}},
      {"X", ExitPacket{}},
  };
}

/// Whether it comes back as it was, with its letter in front.
bool survives(const Sample& sample) {
  const EncodedPacket encoded = encode(sample.packet);
  const auto decoded = decode(encoded.bytes());
  return decoded && *decoded == sample.packet && !sample.letter.empty() &&
         encoded.storage[0] == static_cast<std::byte>(sample.letter[0]);
}

void BM_ControlPacketEncode(benchmark::State& state, const Sample& sample) {
  if (!survives(sample)) return fail(state, "the packet does not come back as it was");
  const std::size_t size = encode(sample.packet).size;
  std::size_t bytes = 0;
  for (auto _ : state) {
    for (std::size_t call = 0; call < kBatch; ++call) {
      const ControlPacket* packet = &sample.packet;
      benchmark::DoNotOptimize(packet);
      const EncodedPacket encoded = encode(*packet);
      benchmark::DoNotOptimize(encoded.storage.data());
      bytes += encoded.size;
    }
  }
  const auto calls = kBatch * static_cast<std::size_t>(state.iterations());
  if (bytes != calls * size) return fail(state, "packets differ in size");
  state.SetItemsProcessed(static_cast<std::int64_t>(calls));
}

void BM_ControlPacketDecode(benchmark::State& state, const Sample& sample) {
  if (!survives(sample)) return fail(state, "the packet does not come back as it was");
  const EncodedPacket encoded = encode(sample.packet);
  std::size_t right = 0;
  for (auto _ : state) {
    for (std::size_t call = 0; call < kBatch; ++call) {
      const EncodedPacket* packet = &encoded;
      benchmark::DoNotOptimize(packet);
      const auto decoded = decode(packet->bytes());
      benchmark::DoNotOptimize(decoded);
      right += decoded.has_value() && decoded->index() == sample.packet.index() ? 1 : 0;
    }
  }
  const auto calls = kBatch * static_cast<std::size_t>(state.iterations());
  if (right != calls) return fail(state, "a packet was not read as what it is");
  state.SetItemsProcessed(static_cast<std::int64_t>(calls));
}

/// Packets of all types in turn, whole, until the next would not fit.
std::vector<std::byte> mixed_stream(const std::vector<Sample>& packets, std::size_t& count) {
  std::vector<std::byte> stream;
  for (count = 0;; ++count) {
    const EncodedPacket next = encode(packets[count % packets.size()].packet);
    if (stream.size() + next.size > kStreamBytes) return stream;
    stream.insert(stream.end(), next.bytes().begin(), next.bytes().end());
  }
}

void BM_ControlPacketCut(benchmark::State& state) {
  const std::vector<Sample> packets = samples();
  std::size_t count = 0;
  const std::vector<std::byte> stream = mixed_stream(packets, count);
  std::size_t at = 0;
  bool right = true;
  const auto exactly = [&](const std::expected<ControlPacket, ControlError>& packet) {
    right &= packet.has_value() && *packet == packets[at++ % packets.size()].packet;
  };
  std::span<const std::byte> rest(stream);
  if (cut_packets(rest, count + 1, exactly) != count || !right || !rest.empty()) {
    return fail(state, "the packets of the stream are not those that were put into it");
  }
  std::size_t cut = 0;
  std::size_t kinds = 0;
  const auto look = [&](const std::expected<ControlPacket, ControlError>& packet) {
    ++cut;
    kinds += packet ? packet->index() : kPacketKindCount;
  };
  for (auto _ : state) {
    rest = stream;
    cut_packets(rest, count, look);
  }
  const auto rounds = static_cast<std::size_t>(state.iterations());
  std::size_t expected = 0;
  for (std::size_t one = 0; one < count; ++one) {
    expected += packets[one % packets.size()].packet.index();
  }
  if (cut != rounds * count || kinds != rounds * expected) {
    return fail(state, "packets were lost or changed");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(cut));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stream.size()));
}

}  // namespace

void register_control_packet() {
  describe("micro: control channel", "BM_ControlPacketEncode", "to write a packet, by its letter");
  describe("micro: control channel", "BM_ControlPacketDecode", "to read a packet, by its letter");
  describe("micro: control channel", "BM_ControlPacketCut",
           "to cut 64 KiB of packets of all types apart and read them");
  for (const Sample& sample : samples()) {
    benchmark::RegisterBenchmark(("BM_ControlPacketEncode/" + sample.letter).c_str(),
                                 BM_ControlPacketEncode, sample);
    benchmark::RegisterBenchmark(("BM_ControlPacketDecode/" + sample.letter).c_str(),
                                 BM_ControlPacketDecode, sample);
  }
  benchmark::RegisterBenchmark("BM_ControlPacketCut/mixed", BM_ControlPacketCut);
}

}  // namespace skysock::bench
