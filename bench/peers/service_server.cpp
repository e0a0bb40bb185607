// The system under test without Lua: one C++ service behind reactor, forward_message, mailbox and
// worker, echoing or counting. What it costs beside raw_epoll_server is the price of the chain.

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <unordered_map>

#include "bench/peers/server_options.hpp"
#include "bench/stream/sink_tally.hpp"
#include "core/service/runtime.hpp"

using namespace skysock;

namespace {

/// All connections belong to the one service. Calls run on one worker at a time.
class BenchService {
 public:
  BenchService(Runtime& runtime, ServiceHandle self, bench::ServerMode mode, std::string host)
      : runtime_(&runtime), self_(self), mode_(mode), host_(std::move(host)) {}

  void listen(std::uint16_t port) {
    const auto id = runtime_->sockets().listen(self_, host_, port);
    if (!id) return fail(id.error().message());
    listener_ = *id;
  }

  void handle(Message&& message) {
    // The message that main() posts once the service exists: its text is the port.
    if (const auto* text = std::get_if<Block>(&message.payload)) {
      return listen(static_cast<std::uint16_t>(std::stoi(std::string(text->text()))));
    }
    auto* socket = std::get_if<SocketMessage>(&message.payload);
    if (socket == nullptr) return;
    switch (socket->type) {
      case SocketMessageType::connect:
        return on_connect(*socket);
      case SocketMessageType::accept:
        return check(runtime_->sockets().start(self_, static_cast<SocketId>(socket->ud)));
      case SocketMessageType::data:
        return on_data(*socket);
      case SocketMessageType::close:
        tallies_.erase(socket->id);
        return check(
            runtime_->sockets().close(self_, socket->id, CloseMode::soft, CloseAnswer::not_needed));
      case SocketMessageType::error:
        if (socket->id == listener_) fail(socket->data.text());
        return;
      case SocketMessageType::udp:
      case SocketMessageType::warning:
        return;
    }
  }

 private:
  /// OPEN of the listener: bound, then started. Accepted connections answer their start here too.
  void on_connect(const SocketMessage& socket) {
    if (socket.id != listener_) return;
    if (socket.data.text() != "start") {
      bound_port_ = socket.ud;
      return check(runtime_->sockets().start(self_, listener_));
    }
    fmt::print("listening on {}:{}\n", host_, bound_port_);
    std::fflush(stdout);
  }

  void on_data(SocketMessage& socket) {
    Block answer;
    if (mode_ == bench::ServerMode::echo) {
      answer = std::move(socket.data);
    } else {
      const auto report = tallies_[socket.id].feed(std::as_const(socket.data).bytes());
      if (!report) return;
      answer = Block::copy_of(std::as_bytes(std::span(&*report, 1)));
    }
    // A connection whose peer is gone refuses; its CLOSE is on the way.
    [[maybe_unused]] const auto sent = runtime_->sockets().send(socket.id, std::move(answer));
  }

  static void check(const Result<void>& done) {
    if (!done) fail(done.error().message());
  }

  [[noreturn]] static void fail(std::string_view reason) {
    fmt::print(stderr, "service_server: cannot serve: {}\n", reason);
    std::_Exit(1);
  }

  Runtime* runtime_;
  ServiceHandle self_;
  bench::ServerMode mode_;
  std::string host_;
  SocketId listener_ = 0;
  std::int64_t bound_port_ = 0;
  std::unordered_map<SocketId, bench::SinkTally> tallies_;
};

int serve(const bench::ServerOptions& options, const Tuning& tuning) {
  const sigset_t signals = bench::block_end_signals();
  const auto runtime = Runtime::start(tuning);
  if (!runtime) {
    fmt::print(stderr, "service_server: cannot start: {}\n", runtime.error().message());
    return 1;
  }
  const ServiceHandle service = (*runtime)->spawn("bench", [&](ServiceHandle self) {
    return [it = BenchService(**runtime, self, options.mode, options.host)](
               Message&& message) mutable { it.handle(std::move(message)); };
  });
  (*runtime)->post(service, Message{.payload = Block::copy_of(std::to_string(options.port))});
  int signal = 0;
  sigwait(&signals, &signal);
  (*runtime)->stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("One C++ service on skysock's runtime that echoes or counts; for benchmarks.",
               "service_server");
  bench::ServerOptions options;
  std::string tuning_argument;
  bench::add_server_options(app, options,
                            {{"echo", bench::ServerMode::echo}, {"sink", bench::ServerMode::sink}});
  app.add_option("--tuning", tuning_argument, "key=value,... of the runtime\n" + tuning_help());
  if (const int code = bench::parse_command_line(app, argc, argv); code >= 0) return code;

  const auto tuning = parse_tuning(tuning_argument);
  if (tuning) return serve(options, *tuning);
  fmt::print(stderr, "service_server: {}\n", tuning.error());
  return 2;
}
