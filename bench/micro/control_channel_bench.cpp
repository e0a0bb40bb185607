// How many packets per second get from 1, 2 and 4 threads to the reactor: over a pipe read packet
// by packet (skynet's way, and the baseline), over our pipe channel, over our ring? Encoding and
// decoding are included; a slow sender and what the reactor does with a packet are left out. All
// senders are on the load's CPU (--placement free spreads them).

#include <poll.h>

#include <array>
#include <atomic>
#include <expected>
#include <optional>
#include <thread>
#include <vector>

#include "bench/harness.hpp"
#include "bench/peers/bare_pipe.hpp"
#include "bench/settings.hpp"
#include "core/net/pipe_channel.hpp"
#include "core/net/ring_channel.hpp"
#include "core/sys/linux.hpp"

namespace skysock::bench {
namespace {

constexpr SocketId kBatch = 200'000;  // Hides the start of the threads.
constexpr std::size_t kPacketsMax = 1'024;
constexpr int kStuckMs = 10'000;

/// 14 bytes: the id says who sends, from 1, the payload its how-manieth packet this is, from 1.
EncodedPacket packet_number(std::size_t sender, Token number) {
  return encode(SendPacket{.id = static_cast<SocketId>(sender), .payload = number});
}

/// Compares what arrives with what must be its sender's next.
class InOrder {
 public:
  explicit InOrder(std::size_t senders) : received_(senders + 1, 0) {}

  void operator()(const std::expected<ControlPacket, ControlError>& packet) {
    const auto* send = packet ? std::get_if<SendPacket>(&*packet) : nullptr;
    ++count_;
    const auto sender = static_cast<std::size_t>(send == nullptr ? 0 : send->id);
    const bool known = sender > 0 && sender < received_.size();
    wrong_ |= !known || send->payload != ++received_[sender];
  }
  [[nodiscard]] bool done() const { return count_ == kBatch; }
  [[nodiscard]] bool wrong() const { return wrong_; }

 private:
  std::vector<Token> received_;  ///< By sender.
  SocketId count_ = 0;
  bool wrong_ = false;
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
    state.counters["signals_per_1000_packets"] =
        1e3 * static_cast<double>(counters.signals) / packets;
    state.counters["full_waits_per_1000_packets"] =
        1e3 * static_cast<double>(counters.full_waits) / packets;
  }

 private:
  Kind<LinuxSys> channel_;
};

/// Sends the share of one of `senders`; false when the channel refused.
template <typename Subject>
bool send_share(Subject& subject, std::size_t sender, std::size_t senders) {
  for (Token number = 1; number <= kBatch / senders; ++number) {
    if (!subject.send(packet_number(sender, number))) return false;
  }
  return true;
}

/// True when every packet of the batch arrived, in its sender's order.
template <typename Subject>
bool pass_batch(Subject& subject, std::size_t senders) {
  InOrder order(senders);
  std::atomic<bool> in_time = false;
  std::atomic<bool> refused = false;
  std::jthread reader([&] {
    // The reader is where a server would be.
    SKYSOCK_CHECK(pin_thread(settings().placement.server_cpu).has_value());
    in_time = subject.receive_batch(order);
  });
  std::vector<std::jthread> others;
  for (std::size_t sender = 2; sender <= senders; ++sender) {
    others.emplace_back([&, sender] {
      if (!send_share(subject, sender, senders)) refused = true;
    });
  }
  if (!send_share(subject, 1, senders)) refused = true;
  others.clear();
  reader.join();
  return !refused && in_time && !order.wrong();
}

template <typename Subject>
void BM_ControlChannel(benchmark::State& state, std::size_t senders) {
  LinuxSys sys;
  Subject subject(sys);
  // The answer is checked, and the caches are warm, before anything is timed.
  bool right = pass_batch(subject, senders);
  for (auto _ : state) {
    right = right && pass_batch(subject, senders);
    if (!right) break;
  }
  if (!right) return fail(state, "packets were lost, changed or out of order");
  const std::int64_t packets = kBatch * static_cast<std::int64_t>(state.iterations());
  state.SetItemsProcessed(packets);
  if constexpr (requires { subject.report(state, 0.0); }) {
    subject.report(state, static_cast<double>(packets + kBatch));
  }
}

template <typename Subject>
void add(const std::string& name, const std::vector<std::int64_t>& senders) {
  for (const std::int64_t count : senders) {
    const std::string full = count == 1 ? name : name + "/senders:" + std::to_string(count);
    benchmark::RegisterBenchmark(full.c_str(), BM_ControlChannel<Subject>,
                                 static_cast<std::size_t>(count))
        ->MeasureProcessCPUTime()
        ->UseRealTime();
  }
}

}  // namespace

void register_control_channel() {
  describe("micro: control channel", "BM_ControlChannel",
           "packets of 1, 2 and 4 threads to the reactor's side, over ring and pipe, beside a bare "
           "pipe");
  add<Bare>("BM_ControlChannel/bare_pipe", values({1}, {1, 2, 4}));
  add<Channel<PipeChannel>>("BM_ControlChannel/pipe", {1, 2, 4});
  add<Channel<RingChannel>>("BM_ControlChannel/ring", {1, 2, 4});
}

}  // namespace skysock::bench
