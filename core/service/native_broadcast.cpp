// Broadcast on the socket server: the block that was read from a publisher is what all subscribers
// are sent, whoever of them is how far.

#include <atomic>
#include <unordered_map>
#include <vector>

#include "core/base/broadcast_role.hpp"
#include "core/service/native_modes.hpp"

namespace skysock {
namespace {

/// A block that several sends hold; the last one to end, on whichever thread, frees it.
class SharedBlock {
 public:
  explicit SharedBlock(Block block, std::size_t skipped) : block_(std::move(block)) {
    block_.remove_prefix(skipped);
  }

  Block hold() {
    holders_.fetch_add(1, std::memory_order_relaxed);
    return Block::adopt(block_.bytes(), this,
                        [](void* object) { static_cast<SharedBlock*>(object)->let_go(); });
  }

  /// Of the maker's own hold.
  void let_go() {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  Block block_;
  std::atomic<std::size_t> holders_{1};
};

class NativeBroadcast {
 public:
  NativeBroadcast(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                  NativeHooks hooks)
      : runtime_(&runtime), listener_(runtime, self, options, std::move(hooks)) {}

  void handle(Message&& message) {
    auto* socket = std::get_if<SocketMessage>(&message.payload);
    if (socket == nullptr || listener_.take(*socket)) return;
    if (socket->type == SocketMessageType::data) {
      on_data(*socket);
    } else if (socket->type == SocketMessageType::close) {
      roles_.erase(socket->id);
      std::erase(subscribers_, socket->id);
      listener_.close(socket->id, CloseMode::soft);
    }
  }

 private:
  void on_data(SocketMessage& socket) {
    BroadcastRole& role = roles_[socket.id];
    const std::size_t size = socket.data.size();
    const BroadcastInput input = take_broadcast(role, socket.data.bytes());
    if (input.answer) {
      send(socket.id, Block::copy_of(std::span(&*input.answer, 1)));
      if (role == BroadcastRole::subscriber) subscribers_.push_back(socket.id);
    }
    if (!input.published.empty() && !subscribers_.empty()) {
      publish(std::move(socket.data), size - input.published.size());
    }
  }

  void publish(Block&& block, std::size_t skipped) {
    auto* shared = new SharedBlock(std::move(block), skipped);
    for (std::size_t at = 0; at < subscribers_.size();) {
      const SocketId id = subscribers_[at];
      if (send(id, shared->hold())) {
        ++at;
      } else {
        std::erase(subscribers_, id);  // The next one takes its place.
      }
    }
    shared->let_go();
  }

  /// False when it is over. One that is gone refuses, and its CLOSE is on the way; one whose output
  /// is at its limit is cut off: it must not take a stream with a hole for the whole.
  bool send(SocketId id, Block&& block) {
    const Result<SendOutcome> sent = runtime_->sockets().send(id, std::move(block));
    if (sent) return true;
    if (sent.error() == std::errc::no_buffer_space) listener_.close(id, CloseMode::abortive);
    return false;
  }

  Runtime* runtime_;
  NativeListener listener_;
  std::unordered_map<SocketId, BroadcastRole> roles_;
  std::vector<SocketId> subscribers_;
};

}  // namespace

MessageHandler native_broadcast(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                                const NativeHooks& hooks) {
  return native_handler<NativeBroadcast>(runtime, self, options, hooks);
}

}  // namespace skysock
