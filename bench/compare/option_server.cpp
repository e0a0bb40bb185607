#include "bench/compare/option_server.hpp"

#include <fmt/format.h>

#include <chrono>

#include "bench/settings.hpp"
#include "core/base/check.hpp"

namespace skysock::bench::compare {
namespace {

using load::Outcome;
using Clock = std::chrono::steady_clock;

constexpr ServiceHandle kOwner = 1;
constexpr std::chrono::seconds kPatience{10};
constexpr int kPollMs = 100;

std::unexpected<std::string> failed(const char* what, std::string_view why) {
  return std::unexpected(fmt::format("{}: {}", what, why));
}

constexpr std::size_t kOptionKind = ControlPacket(OptionPacket{}).index();

}  // namespace

Outcome<std::unique_ptr<OptionServer>> OptionServer::create(ChannelKind control) {
  auto made = std::unique_ptr<OptionServer>(new OptionServer());
  const auto deliver = [](void* context, Event&& event) {
    auto& self = *static_cast<OptionServer*>(context);
    if (event.kind == EventKind::error) self.refusal_ = event.data.text();
    if (event.kind == EventKind::accept) self.accepted_ = static_cast<SocketId>(event.ud);
    if (event.kind != EventKind::open) return true;
    if (event.data.text() == "start") ++self.started_;
    if (event.ud > 0) self.port_ = static_cast<std::uint16_t>(event.ud);
    return true;
  };
  Tuning tuning;
  tuning.control = static_cast<std::int64_t>(control);
  auto server = SocketServer<LinuxSys>::create(made->sys_, tuning,
                                               {.context = made.get(), .deliver = deliver});
  if (!server) return failed("socket server", server.error().message());
  made->server_ = std::move(*server);
  if (auto connected = made->connect(); !connected) return std::unexpected(connected.error());
  return made;
}

OptionServer::~OptionServer() {
  if (!reactor_.joinable()) return;
  [[maybe_unused]] const auto given = server_->exit();
  reactor_.join();
}

template <typename Done>
bool OptionServer::poll_until(Done done) {
  for (const auto end = Clock::now() + kPatience; !done() && refusal_.empty();) {
    if (Clock::now() > end) return false;
    server_->poll(kPollMs);
  }
  return refusal_.empty();
}

Outcome<void> OptionServer::connect() {
  const auto listener = server_->listen(kOwner, "127.0.0.1", 0);
  if (!listener) return failed("listen", listener.error().message());
  [[maybe_unused]] const auto listening = server_->start(kOwner, *listener);
  if (!poll_until([&] { return started_ == 1; })) return failed("listen", refusal_);
  const auto target = load::resolve("127.0.0.1", port_);
  if (!target) return std::unexpected(target.error());
  auto client = load::begin_connect(*target);
  if (!client) return std::unexpected(client.error());
  client_ = std::move(*client);
  if (!poll_until([&] { return accepted_ != 0; })) return failed("accept", refusal_);
  [[maybe_unused]] const auto starting = server_->start(kOwner, accepted_);
  if (!poll_until([&] { return started_ == 2; })) return failed("start", refusal_);
  return {};
}

std::uint64_t OptionServer::carried_out() const {
  return server_->counts().packets_by_kind[kOptionKind];
}

bool OptionServer::give(std::uint64_t packets) {
  for (std::uint64_t packet = 0; packet < packets; ++packet) {
    if (!server_->set_option(accepted_, ConnectionOption::nodelay, 1)) return false;
  }
  return true;
}

Outcome<std::uint64_t> OptionServer::reads_of_backlog(std::uint64_t packets) {
  const std::uint64_t before = carried_out();
  bool given = false;
  std::thread([&] { given = give(packets); }).join();
  const std::uint64_t reads_before = server_->counts().control_reads;
  if (!given || !poll_until([&] { return carried_out() == before + packets; })) {
    return failed("backlog", fmt::format("{} of {} packets were carried out",
                                         carried_out() - before, packets));
  }
  return server_->counts().control_reads - reads_before;
}

void OptionServer::start(std::optional<int> cpu) {
  reactor_ = std::thread([this, cpu] {
    SKYSOCK_CHECK(pin_thread(cpu).has_value());
    while (server_->poll(-1)) {
    }
  });
}

Outcome<double> OptionServer::carry(std::uint64_t packets) {
  const std::uint64_t before = carried_out();
  const auto begin = Clock::now();
  const bool given = give(packets);
  const auto end = Clock::now() + kPatience;
  while (given && carried_out() < before + packets && Clock::now() < end) {
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  const SocketServerCounts counts = server_->counts();
  if (counts.packets_by_kind[kOptionKind] == before + packets && counts.decode_errors == 0) {
    return took.count();
  }
  return failed("set_option", fmt::format("{} of {} packets were carried out",
                                          counts.packets_by_kind[kOptionKind] - before, packets));
}

}  // namespace skysock::bench::compare
