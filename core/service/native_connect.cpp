// Connections made on the socket server: open, one byte each way, close after the peer's FIN.

#include <string>
#include <unordered_map>

#include "core/base/connect_order.hpp"
#include "core/service/native_modes.hpp"

namespace skysock {
namespace {

/// A connection that was made for `control`.
struct Made {
  SocketId control = 0;
  ConnectAnswer answer;
};

class NativeConnect {
 public:
  NativeConnect(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                NativeHooks hooks)
      : runtime_(&runtime), self_(self), listener_(runtime, self, options, std::move(hooks)) {}

  void handle(Message&& message) {
    auto* socket = std::get_if<SocketMessage>(&message.payload);
    if (socket == nullptr || listener_.take(*socket)) return;
    const auto made = made_.find(socket->id);
    if (made != made_.end()) return on_made(*socket, made->second);
    // Of a control connection, or of one that was given up.
    if (socket->type == SocketMessageType::connect) {
      if (socket->data.text() == "start") sessions_.try_emplace(socket->id);
    } else if (socket->type == SocketMessageType::data) {
      obey(*socket);
    } else if (socket->type == SocketMessageType::close) {
      give_up(socket->id);
      sessions_.erase(socket->id);
      listener_.close(socket->id, CloseMode::soft);
    }
  }

 private:
  SocketServer<LinuxSys>& sockets() { return runtime_->sockets(); }

  void obey(const SocketMessage& socket) {
    const auto session = sessions_.find(socket.id);
    if (session == sessions_.end()) return;
    session->second.feed(socket.data.bytes());
    proceed(socket.id);
  }

  /// Makes what is to be made and says what is to be said.
  void proceed(SocketId control) {
    const auto found = sessions_.find(control);
    if (found == sessions_.end()) return;
    ConnectSession& session = found->second;
    while (session.begin()) {
      const ConnectOrder& order = session.order();
      const Result<SocketId> id = sockets().open(self_, order.host, order.port);
      if (id) {
        made_.try_emplace(*id, Made{.control = control});
      } else {
        fail(control, id.error().message());
      }
    }
    const std::string replies = session.take_replies();
    if (replies.empty()) return;
    const auto sent = sockets().send(control, std::as_bytes(std::span(replies)));
    // A client that does not read its replies is cut off.
    if (!sent) listener_.close(control, CloseMode::abortive);
  }

  void on_made(const SocketMessage& socket, Made& made) {
    const SocketId control = made.control;
    switch (socket.type) {
      case SocketMessageType::connect:
        greet(socket.id, control);
        break;
      case SocketMessageType::data:
        if (const auto wrong = made.answer.feed(socket.data.bytes()); !wrong.empty()) {
          fail(control, wrong);
        }
        break;
      case SocketMessageType::close:
        finish(socket.id, made);
        break;
      case SocketMessageType::error:
        fail(control, socket.data.text());
        break;
      case SocketMessageType::accept:
      case SocketMessageType::udp:
      case SocketMessageType::warning:
        return;
    }
    proceed(control);
  }

  void greet(SocketId id, SocketId control) {
    const Result<SendOutcome> sent = sockets().send(id, std::span(&kConnectByte, 1));
    if (!sent) fail(control, sent.error().message());
  }

  void finish(SocketId id, const Made& made) {
    const SocketId control = made.control;
    const auto wrong = made.answer.end();
    listener_.close(id, CloseMode::soft);
    made_.erase(id);
    if (!wrong.empty()) return fail(control, wrong);
    sessions_.at(control).closed();
  }

  void fail(SocketId control, std::string_view reason) {
    sessions_.at(control).fail(reason);
    give_up(control);
  }

  void give_up(SocketId control) {
    std::erase_if(made_, [&](const auto& made) {
      if (made.second.control != control) return false;
      listener_.close(made.first, CloseMode::abortive);
      return true;
    });
  }

  Runtime* runtime_;
  ServiceHandle self_;
  NativeListener listener_;
  std::unordered_map<SocketId, ConnectSession> sessions_;  ///< By control connection.
  std::unordered_map<SocketId, Made> made_;                ///< Of orders that are on.
};

}  // namespace

MessageHandler native_connect(Runtime& runtime, ServiceHandle self, const NativeOptions& options,
                              const NativeHooks& hooks) {
  return native_handler<NativeConnect>(runtime, self, options, hooks);
}

}  // namespace skysock
