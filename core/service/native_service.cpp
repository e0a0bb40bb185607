#include "core/service/native_service.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/base/broadcast_role.hpp"
#include "core/base/sink_tally.hpp"
#include "core/base/stream_pattern.hpp"
#include "core/service/native_modes.hpp"

namespace skysock {
namespace {

/// Messages that a source sends to one peer before the others get a turn.
constexpr int kBurstMessages = 4;

/// How long a source waits when a send was refused at the limit. WARNING "drained" need not follow:
/// what was refused may have been on its way to the reactor, not in the queue.
constexpr std::chrono::milliseconds kRefusedRetry{1};

/// What a source knows of a peer.
struct Stream {
  std::uint64_t sent = 0;
  bool full = false;       ///< Waits for WARNING "drained".
  bool scheduled = false;  ///< A message of ours that goes on is under way.
};

/// Bytes that live for ever, as a payload that is never copied: nobody writes to what is sent.
Block lasting_block(std::span<const std::byte> bytes) {
  return Block::adopt({const_cast<std::byte*>(bytes.data()), bytes.size()}, nullptr, [](void*) {});
}

/// Calls run one at a time. A command to the reactor fails only once the node stops.
class NativeService {
 public:
  NativeService(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                NativeHooks hooks)
      : runtime_(&runtime),
        self_(self),
        mode_(options.mode),
        listener_(runtime, self, options, std::move(hooks)) {}

  void handle(Message&& message) {
    auto* socket = std::get_if<SocketMessage>(&message.payload);
    if (socket == nullptr) return go_on(message.session);
    switch (socket->type) {
      case SocketMessageType::connect:
        return on_connect(*socket);
      case SocketMessageType::data:
        return on_data(*socket);
      case SocketMessageType::close:
        return on_close(*socket);
      case SocketMessageType::accept:
      case SocketMessageType::error:
        listener_.take(*socket);  // A connection's CLOSE follows on its own.
        return;
      case SocketMessageType::warning:
        return on_warning(*socket);
      case SocketMessageType::udp:
        return;
    }
  }

 private:
  SocketServer<LinuxSys>& sockets() { return runtime_->sockets(); }

  /// The answers to listen() and to every start().
  void on_connect(const SocketMessage& socket) {
    if (listener_.take(socket) || mode_ != NativeMode::source) return;
    if (socket.data.text() == "start") begin_stream(socket.id);
  }

  void begin_stream(SocketId id) {
    streams_.try_emplace(id);
    go_on(id);
  }

  void on_data(SocketMessage& socket) {
    if (mode_ == NativeMode::echo) return answer(socket.id, std::move(socket.data));
    if (mode_ == NativeMode::sink) count_in(socket);
  }

  void count_in(const SocketMessage& socket) {
    const auto report = tallies_[socket.id].feed(socket.data.bytes());
    if (report) answer(socket.id, Block::copy_of(std::as_bytes(std::span(&*report, 1))));
  }

  /// A connection whose peer is gone refuses; its CLOSE is on the way. One that is over its limit
  /// is cut off, and nothing more is sent until its CLOSE comes, though there may be room again:
  /// the peer must not take a stream with a hole for the whole.
  void answer(SocketId id, Block&& block) {
    if (!cut_off_.empty() && cut_off_.contains(id)) return;
    const Result<SendOutcome> sent = sockets().send(id, std::move(block));
    if (sent || sent.error() != std::errc::no_buffer_space) return;
    cut_off_.insert(id);
    listener_.close(id, CloseMode::abortive);
  }

  void on_close(const SocketMessage& socket) {
    if (listener_.take(socket)) return;
    const SocketId id = socket.id;
    tallies_.erase(id);
    streams_.erase(id);
    cut_off_.erase(id);
    listener_.close(id, CloseMode::soft);
  }

  /// Whoever does not read what we send is not read until it has.
  void on_warning(const SocketMessage& socket) {
    const bool full = socket.ud > 0;
    if (mode_ == NativeMode::source) {
      const auto stream = streams_.find(socket.id);
      if (stream == streams_.end()) return;
      stream->second.full = full;
      if (!full) schedule(socket.id, stream->second, {});
    } else if (full) {
      [[maybe_unused]] const auto given = sockets().hold(self_, socket.id);
    } else {
      listener_.start(socket.id);
    }
  }

  /// The source's next messages to one peer: until it is full, and others wait no longer than a
  /// burst.
  void go_on(SocketId id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    Stream& stream = found->second;
    stream.scheduled = false;
    if (stream.full) return;
    for (int message = 0; message < kBurstMessages; ++message) {
      const auto bytes = stream_bytes(stream.sent, kStreamMessageBytesMax);
      const Result<SendOutcome> sent = sockets().send(id, lasting_block(bytes));
      if (!sent) {
        const bool limited = sent.error() == std::errc::no_buffer_space;
        return limited ? schedule(id, stream, kRefusedRetry) : void();
      }
      stream.sent += bytes.size();
      if (*sent == SendOutcome::queued) break;
    }
    schedule(id, stream, {});
  }

  /// Behind the messages that wait already, so that a WARNING among them is seen first.
  void schedule(SocketId id, Stream& stream, std::chrono::milliseconds delay) {
    if (std::exchange(stream.scheduled, true)) return;
    if (delay.count() > 0) {
      runtime_->post_after(delay, self_, id);
    } else {
      runtime_->post(self_, {.type = MessageType::response, .session = id, .payload = {}});
    }
  }

  Runtime* runtime_;
  ServiceHandle self_;
  NativeMode mode_;
  NativeListener listener_;
  std::unordered_map<SocketId, SinkTally> tallies_;  ///< Of a sink.
  std::unordered_map<SocketId, Stream> streams_;     ///< Of a source.
  std::unordered_set<SocketId> cut_off_;             ///< Their CLOSE is still to come.
};

}  // namespace

Tuning native_tuning(Tuning tuning, NativeMode mode) {
  constexpr auto kMessage = static_cast<std::int64_t>(kStreamMessageBytesMax);
  constexpr auto kSubscriber = static_cast<std::int64_t>(kSubscriberBytesMax);
  if (mode == NativeMode::broadcast) {
    tuning.output_limit_bytes = std::min(tuning.output_limit_bytes, kSubscriber);
  } else if (mode == NativeMode::source) {
    tuning.output_limit_bytes =
        std::clamp(tuning.output_limit_bytes, kMessage, kSourceOutputBytesMax);
    tuning.output_limit_policy = static_cast<std::int64_t>(LimitPolicy::refuse);
  }
  return tuning;
}

HandlerFactory native_service(Runtime& runtime, NativeOptions options, NativeHooks hooks) {
  return [&runtime, options = std::move(options),
          hooks = std::move(hooks)](ServiceHandle self) -> MessageHandler {
    switch (options.mode) {
      case NativeMode::echo:
      case NativeMode::sink:
      case NativeMode::source:
        return native_handler<NativeService>(runtime, self, options, hooks);
      case NativeMode::broadcast:
        return native_broadcast(runtime, self, options, hooks);
      case NativeMode::udp_echo:
        return native_udp_echo(runtime, self, options, hooks);
      case NativeMode::connect:
        return native_connect(runtime, self, options, hooks);
    }
    return {};
  };
}

}  // namespace skysock
