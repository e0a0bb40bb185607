// ModelledServer: the calls but sends, and what must follow from each. What is checked in netstat
// and at the end is in modelled_server_checks.cpp.

#include "fuzz/modelled_server.hpp"

#include <functional>

#include "core/base/check.hpp"
#include "fuzz/overlapped.hpp"
#include "fuzz/stream_trace.hpp"

namespace skysock::fuzz {
ModelledServer::ModelledServer(SimKernel& kernel, const Tuning& tuning, Hooks hooks)
    : kernel_(kernel), tuning_(tuning), hooks_(std::move(hooks)) {
  EventSink sink{.context = this,
                 .deliver =
                     [](void* context, Event&& event) {
                       return static_cast<ModelledServer*>(context)->deliver(std::move(event));
                     },
                 .flush = [](void* context) { static_cast<ModelledServer*>(context)->on_flush(); }};
  if (hooks_.run) sink.run = [](void* context) { static_cast<ModelledServer*>(context)->on_run(); };
  auto server = SocketServer<SimKernel>::create(kernel, tuning, sink);
  SKYSOCK_CHECK(server.has_value());
  server_ = std::move(*server);
  model_.emplace(kernel, tuning);
  server_->observe({.context = this, .on_step = [](void* context, const Step& step) {
                      static_cast<ModelledServer*>(context)->on_step(step);
                    }});
}

// ---- What the server calls

bool ModelledServer::deliver(Event&& event) {
  const bool refused = dead_.contains(event.to);
  trace_event(event, refused);
  model_->take(event, refused);
  const bool announced = steps_.take(event, refused);
  if (!announced && event.kind == EventKind::data && !meddled_) {
    SKYSOCK_CHECK(!events_.find(event.id)->redelivery.empty());
  }
  events_.take(event, refused);
  if (event.kind == EventKind::open) check_open(event);
  if (event.kind == EventKind::accept) {
    fresh(static_cast<SocketId>(event.ud));
  }
  if (event.kind == EventKind::udp) {
    const auto all = event.data.bytes();
    const auto bytes = static_cast<std::size_t>(event.ud);
    SKYSOCK_CHECK(bytes <= all.size());
    const auto from = UdpAddress::from_bytes(all.subspan(bytes));
    SKYSOCK_CHECK(from.has_value());
    datagrams_.heard(event.id, from->endpoint().text(),
                     std::string(event.data.text().substr(0, bytes)));
  }
  if (!refused) hooks_.heard(event);
  return !refused;
}

void ModelledServer::on_step(const Step& step) {
  const Rule& rule = step.rule;
  trace_step(step);
  model_->take(step);
  steps_.take(step, events_.find(step.id) != nullptr);
  if (rule.act == Act::own) events_.owner_changed(step.id);
  const bool closes = rule.input == Input::close_flushed || rule.input == Input::close_final ||
                      rule.input == Input::close_pending || rule.input == Input::close_abortive;
  if (closes && rule.from != State::free) closed(step.id);
  // Between two owners nobody is told; the next one is.
  if (rule.input == Input::write_failed && rule.emit == Emit::nothing) {
    dropped_.insert(step.id);
    events_.output_dropped(step.id);
  }
  if (rule.input == Input::send && rule.act == Act::drop) dropped_.insert(step.id);
  if (rule.input == Input::arm_write) --remainders_[step.id];
  if (rule.input == Input::hand_over && rule.emit == Emit::handover) givers_[step.id] = step.owner;
  if (rule.input == Input::set_option) options_set_.push_back(rule.act == Act::set_option);
  if (rule.input != Input::give_back || meddled_) return;
  // What was given inside a callback went past the channel.
  std::deque<GivenBack>& on_its_way = given_back_here_.empty() ? given_back_ : given_back_here_;
  SKYSOCK_CHECK(!on_its_way.empty() && on_its_way.front().id == step.id);
  const GivenBack given = std::move(on_its_way.front());
  on_its_way.pop_front();
  if (rule.act == Act::keep && givers_[step.id] == given.by) events_.kept(step.id, given.text);
}

void ModelledServer::on_run() {
  catch_up(server_->counts().packets);
  hooks_.run();
}

void ModelledServer::on_flush() {
  // It must be of one moment, and nobody in the middle of a call.
  if (!nobody_else_runs() || !std::exchange(netstat_wanted_, false)) return;
  catch_up(server_->counts().packets);
  check_netstat(server_->netstat());
}

// ---- The channel

/// A call gave `packet` to the server.
void ModelledServer::post(const ControlPacket& packet) {
  if (on_reactor()) return channel_.feed_local(packet);
  channel_.feed(encode(packet).bytes());
}

template <typename Packet, typename Do, typename WasPosted>
auto ModelledServer::give(const Packet& packet, Do call, WasPosted was_posted) {
  if (threads_ != nullptr) {
    CallUnderWay way{.packet = [&](SocketId, Token) { return ControlPacket(packet); },
                     .was_posted = std::ref(was_posted)};
    const Overlapped overlapped(*this, way);
    const auto done = call();
    if (done) {
      finish(way);
    } else {
      SKYSOCK_CHECK(!way.posted);
    }
    return done;
  }
  const auto done = call();
  if (!done) return done;
  was_posted();
  post(packet);
  return done;
}

void ModelledServer::inject(std::span<const std::byte> bytes) {
  if (!bytes.empty()) {
    meddled_ = true;
    model_->meddle();
    for (const auto& [thread, call] : calls_) {
      if (call->text != nullptr && call->token != 0) tell_of_datagram(*call);
    }
  }
  SKYSOCK_CHECK(server_->inject(bytes).has_value());
  channel_.feed(bytes);
}

void ModelledServer::poll(int timeout_ms) {
  polling_ = true;
  if (threads_ != nullptr) poller_ = threads_->current();
  const bool goes_on = server_->poll(timeout_ms);
  polling_ = false;
  const SocketServerCounts counts = server_->counts();
  catch_up(counts.packets);
  SKYSOCK_CHECK(goes_on || channel_.exit_sent());
  SKYSOCK_CHECK(steps_.due() == 0);
  // A count follows somewhere inside of a call, and is compared when each has returned.
  const bool quiet = calls_.empty();
  if (quiet) check_sends(counts);
  model_->check(*server_, counts, channel_, quiet);
}

/// Shows the channel's model what the reactor has taken out of it.
void ModelledServer::catch_up(std::uint64_t packets) {
  channel_.advance(packets);
  SKYSOCK_CHECK(!channel_.has_local());
  for (const SocketId id : std::exchange(closed_ids_, {})) channel_.closed(id);
  // Accepted after these commands were carried out.
  for (const SocketId id : std::exchange(fresh_ids_, {})) {
    channel_.accepted(static_cast<std::uint32_t>(id));
  }
  for (const TakenPacket& taken : channel_.take_log()) {
    const FlatPacket& packet = taken.packet;
    model_->take(taken);
    const auto id = static_cast<SocketId>(packet.id);
    const bool wants_answer = packet.type == 'K' && (packet.flags & 2) != 0;
    if (wants_answer) events_.answer_wanted(packet.requester, id);
    // An abortive close waits for nothing.
    const bool aborts =
        packet.type == 'K' && (packet.flags & 1) != 0 && channel_.conversation(id).aborted;
    if (aborts && server_->state(id) != State::lingering) {
      SKYSOCK_CHECK(server_->state(id) == State::free);
    }
    if (packet.type != 'T') continue;
    SKYSOCK_CHECK(!options_set_.empty());
    const bool set = options_set_.front();
    options_set_.pop_front();
    if (!set) continue;
    const auto option = static_cast<ConnectionOption>(packet.flags);
    if (option == ConnectionOption::output_limit_bytes) {
      limit_of(id).bytes = static_cast<std::int64_t>(packet.value);
    }
    if (option == ConnectionOption::output_limit_policy) limit_of(id).aborts = packet.value == 1;
  }
}

// ---- Making sockets

void ModelledServer::reserved(SocketId id, const NewSocket& socket) {
  model_->made(id, socket.owner, socket.datagrams);
  events_.id_issued(id, socket.datagrams);
  channel_.id_known(static_cast<std::uint32_t>(id));
}

template <typename Packet, typename Do, typename WasMade>
SocketId ModelledServer::make(const NewSocket& socket, const Packet& packet, Do call,
                              WasMade was_made) {
  if (threads_ != nullptr) {
    CallUnderWay way{.packet = std::cref(packet), .fd_letter = socket.fd_letter};
    way.was_reserved = [&](SocketId id) {
      reserved(id, socket);
      was_made(id);
    };
    const Overlapped overlapped(*this, way);
    const Result<SocketId> id = call();
    SKYSOCK_CHECK(id.value_or(0) == way.id);
    if (!id) return 0;
    finish(way);
    ids_.push_back(*id);
    return *id;
  }
  const Result<SocketId> id = call();
  if (!id) return 0;
  const auto bits = static_cast<std::uint32_t>(*id);
  post(packet(*id, socket.fd_letter == 0 ? 0 : channel_.park_fd(bits, socket.fd_letter)));
  reserved(*id, socket);
  was_made(*id);
  ids_.push_back(*id);
  return *id;
}

SocketId ModelledServer::listen(ServiceHandle owner, const std::string& host, std::uint16_t port) {
  const auto packet = [&](SocketId id, Token token) {
    return ListenPacket{.id = id, .requester = owner, .fd = token};
  };
  return make(
      {.owner = owner, .fd_letter = 'L'}, packet,
      [&] { return server_->listen(owner, host, port); }, [](SocketId) {});
}

SocketId ModelledServer::open(ServiceHandle owner, const std::string& host, std::uint16_t port) {
  const auto packet = [&](SocketId id, Token) {
    return OpenPacket{.id = id, .requester = owner, .port = port, .host = host};
  };
  return make(
      {.owner = owner}, packet, [&] { return server_->open(owner, host, port); },
      [&](SocketId id) { connects_.insert(id); });
}

SocketId ModelledServer::bind(ServiceHandle owner, int fd, bool pollable) {
  const auto packet = [&](SocketId id, Token token) {
    return BindPacket{.id = id, .requester = owner, .fd = token};
  };
  const SocketId made = make(
      {.owner = owner, .fd_letter = 'B'}, packet, [&] { return server_->bind(owner, fd); },
      [&](SocketId id) { model_->lent(fd, id, pollable); });
  if (made == 0) model_->lent(fd, 0, pollable);
  return made;
}

SocketId ModelledServer::udp(ServiceHandle owner, const std::string& host, std::uint16_t port) {
  const auto packet = [&](SocketId id, Token token) {
    return UdpPacket{.id = id, .requester = owner, .fd = token};
  };
  return make(
      {.owner = owner, .datagrams = true, .fd_letter = 'U'}, packet,
      [&] { return server_->udp(owner, host, port); },
      [&](SocketId id) {
        if (port == 0) return;
        datagrams_.bound(id, Endpoint::from_numeric(host, port)->text());
      });
}

SocketId ModelledServer::udp_dial(ServiceHandle owner, const Endpoint& to) {
  const auto packet = [&](SocketId id, Token token) {
    return DialPacket{
        .id = id, .requester = owner, .fd = token, .address = UdpAddress::from_endpoint(to)};
  };
  return make(
      {.owner = owner, .datagrams = true, .fd_letter = 'U'}, packet,
      [&] { return server_->udp_dial(owner, to.host(), to.port()); },
      [&](SocketId id) { destinations_[id] = to.text(); });
}

void ModelledServer::udp_connect(SocketId id, const Endpoint& to) {
  // Closed in the middle of a poll it may be half there.
  const bool gone = server_->state(id) == State::free && !reactor_is_busy();
  const auto done = give(
      SetAddressPacket{.id = id, .address = UdpAddress::from_endpoint(to)},
      [&] { return server_->udp_connect(id, to.host(), to.port()); },
      [&] {
        SKYSOCK_CHECK(events_.find(id)->datagrams);
        destinations_[id] = to.text();
      });
  if (gone) SKYSOCK_CHECK(!done && done.error() == std::errc::bad_file_descriptor);
}

// ---- Commands

void ModelledServer::start(ServiceHandle requester, SocketId id) {
  const auto done = give(StartPacket{.id = id, .requester = requester}, [&] {
    const auto given = server_->start(requester, id);
    if (server_->state(id) == State::paccept) starting_.insert(id);
    return given;
  });
  SKYSOCK_CHECK(done.has_value());
}

void ModelledServer::hold(ServiceHandle requester, SocketId id) {
  const auto done = give(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::hold},
                         [&] { return server_->hold(requester, id); });
  SKYSOCK_CHECK(done.has_value());
}

void ModelledServer::hand_over(ServiceHandle requester, SocketId id) {
  const auto done = give(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::hand_over},
                         [&] { return server_->hand_over(requester, id); });
  SKYSOCK_CHECK(done.has_value());
}

void ModelledServer::give_back(ServiceHandle requester, SocketId id, std::size_t bytes) {
  const Life* life = events_.find(id);
  if (life == nullptr) return;
  // Only once, and only what was heard: a service that makes bytes up is on its own.
  const bool once =
      life->handing && life->kept.empty() &&
      std::ranges::none_of(given_back_, [id](const auto& one) { return one.id == id; }) &&
      given_back_here_.empty();
  if (!once) return give_back_piece(kStranger, id, "not mine");
  const std::string tail =
      life->data.substr(life->data.size() - std::min(bytes, life->data.size()));
  give_back_piece(requester, id, tail.substr(0, tail.size() / 2));
  give_back_piece(requester, id, tail.substr(tail.size() / 2));
}

void ModelledServer::give_back_piece(ServiceHandle by, SocketId id, const std::string& text) {
  SKYSOCK_CHECK(server_->give_back(by, id, payload(text)).has_value());
  if (text.empty()) return;
  if (threads_ != nullptr) advance();
  const Token token = channel_.park_payload(0, text);
  post(HoldPacket{.id = id, .requester = by, .mode = HoldMode::give_back, .payload = token});
  (on_reactor() ? given_back_here_ : given_back_).push_back({.id = id, .by = by, .text = text});
}

void ModelledServer::hand_over_done(ServiceHandle requester, SocketId id) {
  const auto done = give(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::done},
                         [&] { return server_->hand_over_done(requester, id); });
  SKYSOCK_CHECK(done.has_value());
}

void ModelledServer::close(ServiceHandle requester, SocketId id, CloseMode mode,
                           CloseAnswer answer) {
  const auto done =
      give(ClosePacket{.id = id, .requester = requester, .mode = mode, .answer = answer},
           [&] { return server_->close(requester, id, mode, answer); });
  SKYSOCK_CHECK(done.has_value());
}

void ModelledServer::set_option(SocketId id, ConnectionOption option, std::int64_t value) {
  const auto done = give(OptionPacket{.id = id, .option = option, .value = value},
                         [&] { return server_->set_option(id, option, value); });
  SKYSOCK_CHECK(done.has_value() == takes(option, value));
}

void ModelledServer::exit() {
  SKYSOCK_CHECK(give(ExitPacket{}, [&] { return server_->exit(); }).has_value());
}

}  // namespace skysock::fuzz
