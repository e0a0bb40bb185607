// What does the hand-off of one event cost, by kind and size: event, forward_message, mailbox,
// take? No kernel, no second thread. Text (addresses, reasons) longer than 128 bytes is cut by
// copying.

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "bench/harness.hpp"
#include "core/service/mailbox.hpp"

namespace skysock::bench {
namespace {

constexpr std::size_t kCalls = 64;
constexpr ServiceHandle kService = 1;

/// One kind of event and what has to become of it.
struct Kind {
  const char* name;  ///< In the benchmark's name; "" for data, whose names are older.
  EventKind event;
  SocketMessageType message;
  bool text = false;
};

constexpr Kind kData = {"", EventKind::data, SocketMessageType::data};
constexpr Kind kUdp = {"udp", EventKind::udp, SocketMessageType::udp};
constexpr Kind kTexts[] = {{"open", EventKind::open, SocketMessageType::connect, true},
                           {"accept", EventKind::accept, SocketMessageType::accept, true},
                           {"error", EventKind::error, SocketMessageType::error, true}};
constexpr Kind kEmpty[] = {{"close", EventKind::close, SocketMessageType::close},
                           {"warning", EventKind::warning, SocketMessageType::warning}};

/// What one batch from event to service brought.
struct Arrived {
  std::size_t messages = 0;
  std::size_t bytes = 0;
  bool right = true;
};

Event event_of(const Kind& kind, std::size_t bytes) {
  return {.kind = kind.event,
          .id = 1,
          .to = kService,
          .ud = static_cast<std::int64_t>(bytes),
          .data = Block(bytes)};
}

Arrived pass_events(Mailbox& mailbox, const Kind& kind, std::size_t bytes) {
  for (std::size_t call = 0; call < kCalls; ++call) {
    Event event = event_of(kind, bytes);
    benchmark::DoNotOptimize(event.data.bytes().data());
    mailbox.push(kService, forward_message(std::move(event)));
  }
  Arrived arrived;
  while (Message* message = mailbox.next()) {
    const auto& socket = std::get<SocketMessage>(message->payload);
    ++arrived.messages;
    arrived.bytes += socket.data.size();
    arrived.right &= socket.type == kind.message && socket.ud == static_cast<std::int64_t>(bytes);
    message->payload = std::monostate();
  }
  return arrived;
}

/// Whether the bytes that arrive are the first ones of those that were sent.
bool carries(const Kind& kind, std::size_t bytes, std::size_t kept) {
  Event event = event_of(kind, bytes);
  for (std::size_t at = 0; at < bytes; ++at) event.data.bytes()[at] = static_cast<std::byte>(at);
  const Message message = forward_message(std::move(event));
  const std::span<const std::byte> data = std::get<SocketMessage>(message.payload).data.bytes();
  bool same = data.size() == kept;
  for (std::size_t at = 0; same && at < kept; ++at) same = data[at] == static_cast<std::byte>(at);
  return same;
}

void BM_ForwardMessageCall(benchmark::State& state, const Kind& kind) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  const std::size_t kept = kind.text ? std::min(bytes, kSocketTextBytesMax) : bytes;
  if (!carries(kind, bytes, kept)) return fail(state, "a message carries other bytes");
  Mailbox mailbox;
  mailbox.open(kService);
  for (auto _ : state) {
    const Arrived arrived = pass_events(mailbox, kind, bytes);
    if (arrived.bytes != kCalls * kept || arrived.messages != kCalls || !arrived.right) {
      fail(state, "messages or bytes were lost between forward_message and next");
      break;
    }
  }
  const auto calls = state.iterations() * static_cast<std::int64_t>(kCalls);
  state.SetItemsProcessed(calls);
  state.SetBytesProcessed(calls * state.range(0));
}

void add(const Kind& kind, const std::vector<std::int64_t>& sizes) {
  const std::string name =
      std::string("BM_ForwardMessageCall") + (*kind.name == '\0' ? "" : "/") + kind.name;
  benchmark::RegisterBenchmark(name.c_str(), BM_ForwardMessageCall, kind)
      ->ArgName("bytes")
      ->ArgsProduct({sizes})
      ->UseRealTime();
}

}  // namespace

void register_forward_call() {
  describe("micro: service", "BM_ForwardMessageCall",
           "the hand-off alone, by kind (no name: data) and size: event, mailbox, take");
  const std::vector<std::int64_t> all = {0, 16, 64, 128, 1'024, 16'384, 65'536};
  add(kData, values({0, 16, 64, 1'024, 16'384, 65'536}, all));
  add(kUdp, values({0, 64, 1'024, 65'536}, all));
  for (const Kind& kind : kTexts) add(kind, values({16, 1'024}, all));
  for (const Kind& kind : kEmpty) add(kind, {0});
}

}  // namespace skysock::bench
