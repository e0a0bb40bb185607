// How many packets per second get from one thread to the reactor: over a pipe read packet by packet
// (skynet's way, and the baseline), over our pipe channel, over our ring? Encoding and decoding are
// included; a slow sender, several senders and what the reactor does with a packet are left out.

#include <poll.h>

#include <array>
#include <atomic>
#include <expected>
#include <optional>
#include <thread>

#include "bench/harness.hpp"
#include "bench/peers/bare_pipe.hpp"
#include "bench/settings.hpp"
#include "core/net/pipe_channel.hpp"
#include "core/net/ring_channel.hpp"
#include "core/sys/linux.hpp"

namespace skysock::bench {
namespace {

constexpr SocketId kBatch = 200'000;  // Hides the start of the reader's thread.
constexpr std::size_t kPacketsMax = 1'024;
constexpr int kStuckMs = 10'000;

/// 14 bytes, of which 8 say the packet's place in the order.
EncodedPacket packet_number(SocketId number) {
  return encode(SendPacket{.id = number, .payload = static_cast<Token>(number) * 3});
}

/// Compares what arrives with what must be next.
struct InOrder {
  void operator()(const std::expected<ControlPacket, ControlError>& packet) {
    const auto* send = packet ? std::get_if<SendPacket>(&*packet) : nullptr;
    ++received;
    wrong |= send == nullptr || send->id != received ||
             send->payload != static_cast<Token>(received) * 3;
  }
  [[nodiscard]] bool done() const { return received == kBatch; }

  SocketId received = 0;
  bool wrong = false;
};

bool wait_for(int fd, int other_fd = -1) {
  std::array<pollfd, 2> fds = {pollfd{fd, POLLIN, 0}, pollfd{other_fd, POLLIN, 0}};
  return ::poll(fds.data(), fds.size(), kStuckMs) > 0;
}

/// The baseline.
class Bare {
 public:
  explicit Bare(LinuxSys& sys) : pipe_(sys) {}

  bool send(const EncodedPacket& packet) { return pipe_.send(packet); }
  bool receive_batch(InOrder& order) {
    while (!order.done()) {
      const std::span<const std::byte> packet = pipe_.receive(kStuckMs);
      if (packet.empty()) return false;
      order(decode(packet));
    }
    return true;
  }

 private:
  BarePipe pipe_;
};

/// One of core/net's channels, read as the reactor does: it sleeps when nothing is there.
template <template <typename> typename Kind>
class Channel {
 public:
  explicit Channel(LinuxSys& sys)
      : channel_(std::move(*Kind<LinuxSys>::create(sys, std::size_t{1} << 20U))) {}

  bool send(const EncodedPacket& packet) { return channel_.send(packet).has_value(); }
  bool receive_batch(InOrder& order) {
    while (!order.done()) {
      if (channel_.receive(order, kPacketsMax) > 0 || !channel_.prepare_wait()) continue;
      const bool woken = wait_for(channel_.ready_fd(), channel_.wake_fd());
      channel_.finish_wait();
      if (woken) continue;
      channel_.shut();  // The sender may wait for room.
      return false;
    }
    return true;
  }
  /// How often the ring needed the kernel. A pipe always does.
  void report(benchmark::State& state, double packets) const
    requires std::same_as<Kind<LinuxSys>, RingChannel<LinuxSys>>
  {
    const ChannelCounters counters = channel_.counters();
    state.counters["signals_per_1000"] = 1e3 * static_cast<double>(counters.signals) / packets;
    state.counters["full_waits_per_1000"] =
        1e3 * static_cast<double>(counters.full_waits) / packets;
  }

 private:
  Kind<LinuxSys> channel_;
};

/// True when every packet of the batch arrived, in order.
template <typename Subject>
bool pass_batch(Subject& subject) {
  InOrder order;
  std::atomic<bool> in_time = false;
  std::jthread reader([&] {
    // The reader is where a server would be.
    SKYSOCK_CHECK(pin_thread(settings().placement.server_cpu).has_value());
    in_time = subject.receive_batch(order);
  });
  bool sent = true;
  for (SocketId number = 1; number <= kBatch && sent; ++number) {
    sent = subject.send(packet_number(number));
  }
  reader.join();
  return sent && in_time && !order.wrong;
}

template <typename Subject>
void BM_ControlChannel(benchmark::State& state) {
  LinuxSys sys;
  Subject subject(sys);
  // The answer is checked, and the caches are warm, before anything is timed.
  bool right = pass_batch(subject);
  for (auto _ : state) {
    right = right && pass_batch(subject);
    if (!right) break;
  }
  if (!right) return fail(state, "packets were lost, changed or out of order");
  const std::int64_t packets = kBatch * static_cast<std::int64_t>(state.iterations());
  state.SetItemsProcessed(packets);
  if constexpr (requires { subject.report(state, 0.0); }) {
    subject.report(state, static_cast<double>(packets + kBatch));
  }
}

}  // namespace

void register_control_channel() {
  describe("micro: control channel", "BM_ControlChannel",
           "packets to the reactor's side over ring and pipe, beside a bare pipe");
  const auto add = [](const char* name, void (*function)(benchmark::State&)) {
    benchmark::RegisterBenchmark(name, function)->MeasureProcessCPUTime()->UseRealTime();
  };
  add("BM_ControlChannel/bare_pipe", BM_ControlChannel<Bare>);
  add("BM_ControlChannel/pipe", BM_ControlChannel<Channel<PipeChannel>>);
  add("BM_ControlChannel/ring", BM_ControlChannel<Channel<RingChannel>>);
}

}  // namespace skysock::bench
