// ModelledServer: the calls, and what must follow from each. What is checked in netstat and at the
// end is in modelled_server_checks.cpp.

#include "fuzz/modelled_server.hpp"

#include "core/base/check.hpp"
#include "fuzz/stream_trace.hpp"

namespace skysock::fuzz {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

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
    fresh_ids_.push_back(static_cast<SocketId>(event.ud));
    ids_.push_back(static_cast<SocketId>(event.ud));
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
  if (closes && rule.from != State::free) closed_ids_.push_back(step.id);
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
  if (!std::exchange(netstat_wanted_, false)) return;
  catch_up(server_->counts().packets);
  check_netstat(server_->netstat());
}

// ---- The channel

/// A call gave `packet` to the server.
void ModelledServer::post(const ControlPacket& packet) {
  if (polling_) return channel_.feed_local(packet);
  channel_.feed(encode(packet).bytes());
}

void ModelledServer::inject(std::span<const std::byte> bytes) {
  if (!bytes.empty()) {
    meddled_ = true;
    model_->meddle();
  }
  SKYSOCK_CHECK(server_->inject(bytes).has_value());
  channel_.feed(bytes);
}

void ModelledServer::poll(int timeout_ms) {
  polling_ = true;
  const bool goes_on = server_->poll(timeout_ms);
  polling_ = false;
  const SocketServerCounts counts = server_->counts();
  catch_up(counts.packets);
  SKYSOCK_CHECK(goes_on || channel_.exit_sent());
  SKYSOCK_CHECK(steps_.due() == 0);
  check_sends(counts);
  model_->check(*server_, counts, channel_);
}

/// Shows the channel's model what the reactor has taken out of it.
void ModelledServer::catch_up(std::uint64_t packets) {
  channel_.advance(packets);
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
    const bool aborts = packet.type == 'K' && (packet.flags & 1) != 0;
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

SocketId ModelledServer::issued(SocketId id, ServiceHandle owner, bool datagrams) {
  model_->made(id, owner, datagrams);
  events_.id_issued(id, datagrams);
  ids_.push_back(id);
  channel_.id_known(static_cast<std::uint32_t>(id));
  return id;
}

SocketId ModelledServer::listen(ServiceHandle owner, const std::string& host, std::uint16_t port) {
  const auto id = server_->listen(owner, host, port);
  if (!id) return 0;
  const Token token = channel_.park_fd(static_cast<std::uint32_t>(*id), 'L');
  post(ListenPacket{.id = *id, .requester = owner, .fd = token});
  return issued(*id, owner);
}

SocketId ModelledServer::open(ServiceHandle owner, const std::string& host, std::uint16_t port) {
  const auto id = server_->open(owner, host, port);
  if (!id) return 0;
  post(OpenPacket{.id = *id, .requester = owner, .port = port, .host = host});
  connects_.insert(*id);
  return issued(*id, owner);
}

SocketId ModelledServer::bind(ServiceHandle owner, int fd, bool pollable) {
  const auto id = server_->bind(owner, fd);
  if (id) issued(*id, owner);
  model_->lent(fd, id.value_or(0), pollable);
  if (!id) return 0;
  const Token token = channel_.park_fd(static_cast<std::uint32_t>(*id), 'B');
  post(BindPacket{.id = *id, .requester = owner, .fd = token});
  return *id;
}

SocketId ModelledServer::udp(ServiceHandle owner, const std::string& host, std::uint16_t port) {
  const auto id = server_->udp(owner, host, port);
  if (!id) return 0;
  const Token token = channel_.park_fd(static_cast<std::uint32_t>(*id), 'U');
  post(UdpPacket{.id = *id, .requester = owner, .fd = token});
  if (port != 0) datagrams_.bound(*id, Endpoint::from_numeric(host, port)->text());
  return issued(*id, owner, true);
}

SocketId ModelledServer::udp_dial(ServiceHandle owner, const Endpoint& to) {
  const auto id = server_->udp_dial(owner, to.host(), to.port());
  if (!id) return 0;
  const Token token = channel_.park_fd(static_cast<std::uint32_t>(*id), 'U');
  post(DialPacket{
      .id = *id, .requester = owner, .fd = token, .address = UdpAddress::from_endpoint(to)});
  destinations_[*id] = to.text();
  return issued(*id, owner, true);
}

void ModelledServer::udp_connect(SocketId id, const Endpoint& to) {
  const bool exists = server_->state(id) != State::free;
  const auto done = server_->udp_connect(id, to.host(), to.port());
  if (!exists) SKYSOCK_CHECK(!done && done.error() == std::errc::bad_file_descriptor);
  if (!done) return;
  SKYSOCK_CHECK(events_.find(id)->datagrams);
  destinations_[id] = to.text();
  post(SetAddressPacket{.id = id, .address = UdpAddress::from_endpoint(to)});
}

// ---- Commands

void ModelledServer::start(ServiceHandle requester, SocketId id) {
  SKYSOCK_CHECK(server_->start(requester, id).has_value());
  post(StartPacket{.id = id, .requester = requester});
}

void ModelledServer::hold(ServiceHandle requester, SocketId id) {
  SKYSOCK_CHECK(server_->hold(requester, id).has_value());
  post(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::hold});
}

void ModelledServer::hand_over(ServiceHandle requester, SocketId id) {
  SKYSOCK_CHECK(server_->hand_over(requester, id).has_value());
  post(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::hand_over});
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
  const Token token = channel_.park_payload(0, text);
  post(HoldPacket{.id = id, .requester = by, .mode = HoldMode::give_back, .payload = token});
  (polling_ ? given_back_here_ : given_back_).push_back({.id = id, .by = by, .text = text});
}

void ModelledServer::hand_over_done(ServiceHandle requester, SocketId id) {
  SKYSOCK_CHECK(server_->hand_over_done(requester, id).has_value());
  post(HoldPacket{.id = id, .requester = requester, .mode = HoldMode::done});
}

void ModelledServer::close(ServiceHandle requester, SocketId id, CloseMode mode,
                           CloseAnswer answer) {
  SKYSOCK_CHECK(server_->close(requester, id, mode, answer).has_value());
  post(ClosePacket{.id = id, .requester = requester, .mode = mode, .answer = answer});
}

void ModelledServer::set_option(SocketId id, ConnectionOption option, std::int64_t value) {
  const auto done = server_->set_option(id, option, value);
  SKYSOCK_CHECK(done.has_value() == takes(option, value));
  if (done) post(OptionPacket{.id = id, .option = option, .value = value});
}

void ModelledServer::exit() {
  SKYSOCK_CHECK(server_->exit().has_value());
  post(ExitPacket{});
}

// ---- Sending

ModelledServer::Limit& ModelledServer::limit_of(SocketId id) {
  const Limit fresh{.bytes = tuning_.output_limit_bytes,
                    .aborts = tuning_.output_limit_policy == 1};
  return limits_.try_emplace(id, fresh).first->second;
}

/// What each send of `id` counts beside its bytes while it waits.
std::uint64_t ModelledServer::keep_bytes(SocketId id) const {
  constexpr std::uint64_t kDatagram = 128;
  return is_udp(server_->protocol(id)) ? kDatagram : 0;
}

/// A send was refused in `state`: it had to be.
void ModelledServer::check_refusal(SocketId id, std::size_t bytes, std::error_code error,
                                   State state) {
  if (error == std::errc::no_buffer_space) {
    ++limited_;
    const Limit& limit = limit_of(id);
    const auto limit_bytes = static_cast<std::uint64_t>(limit.bytes);
    const Accepted& before = accepted_[id];
    const std::uint64_t kept = keep_bytes(id) * (before.sends + 1);
    SKYSOCK_CHECK(before.bytes + bytes + kept > limit_bytes);
    if (limit.aborts) post(ClosePacket{.id = id, .mode = CloseMode::abortive});
    return;
  }
  ++refused_;
  if (error == std::errc::bad_file_descriptor) {
    SKYSOCK_CHECK(traits(state).send == SendMode::refused);
    return;
  }
  const bool datagrams = is_udp(server_->protocol(id));
  if (error == std::errc::destination_address_required) {
    SKYSOCK_CHECK(datagrams && (meddled_ || !destinations_.contains(id)));
  } else if (error == std::errc::operation_not_supported) {
    SKYSOCK_CHECK(!datagrams);
  } else {
    SKYSOCK_CHECK(datagrams && error == std::errc::address_family_not_supported);
  }
}

/// A send was accepted: `text` is the kernel's, a remainder's or the channel's now.
void ModelledServer::took(SocketId id, const std::string& text, const Endpoint* to,
                          Priority priority, SendOutcome outcome) {
  const auto bits = static_cast<std::uint32_t>(id);
  SKYSOCK_CHECK(!channel_.conversation(id).closed);
  SKYSOCK_CHECK(text.size() <= static_cast<std::size_t>(limit_of(id).bytes));
  accepted_[id].bytes += text.size();
  ++accepted_[id].sends;
  const std::uint64_t cuts = server_->counts().direct_remainders;
  const bool cut = std::exchange(cuts_, cuts) != cuts;
  model_->sent(id, text.size(), cut);
  const bool datagram = is_udp(server_->protocol(id));
  if (datagram) {
    const std::string where = to != nullptr ? to->text() : destinations_[id];
    datagrams_.sent_by_us(id, meddled_ ? std::string() : where, text);
  }
  const bool written = outcome == SendOutcome::written;
  if (written) ++written_;
  if (written || cut) {
    SKYSOCK_CHECK(priority == Priority::high && tuning_.direct_write != 0);
    SKYSOCK_CHECK(channel_.parked_bytes(id, keep_bytes(id)) == 0);
    if (!datagram) channel_.written_directly(bits, text);
    if (cut) {
      ++remainders_[id];
      post(ArmWritePacket{.id = id});
    }
    return;
  }
  ++queued_;
  const Token token = channel_.park_payload(bits, text);
  if (to != nullptr) {
    post(SendToPacket{.id = id, .payload = token, .address = UdpAddress::from_endpoint(*to)});
  } else {
    post(SendPacket{.id = id, .payload = token, .priority = priority});
  }
}

void ModelledServer::send(SocketId id, const std::string& text, Priority priority) {
  const State state = server_->state(id);
  // Both ways to hand a payload over.
  const auto done = text.size() % 2 == 0 ? server_->send(id, bytes_of(text), priority)
                                         : server_->send(id, payload(text), priority);
  if (!done) return check_refusal(id, text.size(), done.error(), state);
  SKYSOCK_CHECK(traits(state).send != SendMode::refused);
  took(id, text, nullptr, priority, *done);
}

void ModelledServer::post_send(SocketId id, const std::string& text) {
  const Life* life = events_.find(id);
  // Without a destination no sender would have come so far.
  if (life == nullptr || (life->datagrams && !destinations_.contains(id))) return;
  SKYSOCK_CHECK(server_->post_send(id, payload(text)).has_value());
  const Token token = channel_.park_payload(static_cast<std::uint32_t>(id), text);
  post(SendPacket{.id = id, .payload = token, .priority = Priority::high});
  accepted_[id].bytes += text.size();
  ++accepted_[id].sends;
  model_->sent(id, text.size(), false);
  if (life->datagrams)
    datagrams_.sent_by_us(id, meddled_ ? std::string() : destinations_[id], text);
}

void ModelledServer::send_to(SocketId id, const Endpoint& to, const std::string& text) {
  const State state = server_->state(id);
  const auto done = server_->send_to(id, UdpAddress::from_endpoint(to), payload(text));
  if (!done) return check_refusal(id, text.size(), done.error(), state);
  SKYSOCK_CHECK(traits(state).send != SendMode::refused);
  took(id, text, &to, Priority::high, *done);
}

}  // namespace skysock::fuzz
