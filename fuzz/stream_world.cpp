// StreamWorld: set-up and operations. What is checked at the end is in stream_world_checks.cpp.

#include "fuzz/stream_world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "core/base/check.hpp"
#include "core/base/prng.hpp"

namespace skysock::fuzz {
namespace {

constexpr const char* kRemoteHost = "10.0.0.1";
constexpr const char* kLocalHost = "127.0.0.1";
constexpr std::size_t kServices = 4;
constexpr int kFirstFd = 3;
constexpr int kFdLimit = 1'024;
/// In both directions together: enough for every buffer to be full, little enough to be quick.
constexpr std::size_t kSentBytesMax = 4'096;
/// The longest legal way to rest is one byte per poll.
constexpr int kPollsMax = 20'000;
constexpr int kOperationsMax = 400;
/// More messages would make first bytes, which tell them apart, ambiguous.
constexpr std::uint8_t kMessagesMax = 250;

/// Small sizes, so that every limit is met within a few operations.
Tuning tuning_of(std::uint8_t choice) {
  Tuning tuning;
  constexpr std::array kSlots = {16, 2, 3, 8};
  tuning.slots = kSlots[choice % 4];
  tuning.max_events = (choice & 4) != 0 ? 2 : 16;
  tuning.accept_batch = (choice & 8) != 0 ? 1 : 8;
  tuning.read_buffer_bytes = (choice & 16) != 0 ? 64 : 512;
  tuning.reads_per_event = (choice & 32) != 0 ? 1 : 4;
  tuning.linger_bytes = (choice & 64) != 0 ? 16 : 4'096;
  tuning.linger_sockets = (choice & 64) != 0 ? 1 : 16;
  tuning.linger_ms = (choice & 128) != 0 ? 0 : 1'000;
  return tuning;
}

SimOptions options_of(std::uint8_t choice, std::uint8_t buffers) {
  constexpr std::array<std::size_t, 4> kBytes = {2'048, 1, 7, 300};
  return {.fd_limit = kFdLimit,
          .buffers = {.send_bytes = kBytes[buffers % 4], .window_bytes = kBytes[buffers / 4 % 4]},
          .connect_at_once = (choice & 1) != 0};
}

Endpoint endpoint(const char* host, std::uint16_t port) {
  return Endpoint::from_numeric(host, port).value();
}

/// Bytes that tell which message they are from and where in it they are.
std::string message_text(std::uint8_t number, std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t at = 0; at < size; ++at) text[at] = static_cast<char>(number + at * 7);
  return text;
}

/// One counter per change of state: libFuzzer takes a new one as a reason to keep the input.
[[gnu::section("__libfuzzer_extra_counters"), gnu::used]]
std::uint8_t state_changes[kStateCount * kStateCount];

void state_changed(State from, State to) {
  state_changes[static_cast<std::size_t>(from) * kStateCount + static_cast<std::size_t>(to)] = 1;
}

/// SKYSOCK_FUZZ_TRACE=1 shows operations and events on standard error: for looking at one input.
bool tracing() {
  static const bool on = std::getenv("SKYSOCK_FUZZ_TRACE") != nullptr;
  return on;
}

void trace_event(const Event& event, bool refused) {
  constexpr std::array kNames = {"OPEN", "ACCEPT", "DATA", "CLOSE", "ERR"};
  const bool text = event.kind != EventKind::data;
  fmt::print(stderr, "  {} id={} to={} ud={} {}{}\n", kNames[static_cast<std::size_t>(event.kind)],
             event.id, event.to, event.ud, text ? event.data.text() : std::string_view(),
             refused ? " (refused)" : "");
}

}  // namespace

const StreamWorld::Operation StreamWorld::kOperations[] = {
    {'r', &StreamWorld::op_raw_bytes},        // n, n bytes
    {'p', &StreamWorld::op_raw_packet},       // type, id, service, argument, cut
    {'L', &StreamWorld::op_listen},           // service
    {'O', &StreamWorld::op_open},             // service, where to
    {'S', &StreamWorld::op_start},            // service, id
    {'D', &StreamWorld::op_send_high},        // id, size
    {'P', &StreamWorld::op_send_low},         // id, size
    {'K', &StreamWorld::op_close},            // service, id, flags
    {'X', &StreamWorld::op_exit},             //
    {'y', &StreamWorld::op_owner_dies},       // service
    {'d', &StreamWorld::op_dial},             // listener
    {'t', &StreamWorld::op_peer_send},        // peer, size
    {'g', &StreamWorld::op_peer_read},        // peer, size
    {'f', &StreamWorld::op_peer_shutdown},    // peer
    {'e', &StreamWorld::op_peer_close},       // peer
    {'z', &StreamWorld::op_peer_reset},       // peer
    {'m', &StreamWorld::op_remote_answer},    // port, answer
    {'b', &StreamWorld::op_fault},            // call, errno, after
    {'i', &StreamWorld::op_limit_send},       // bytes
    {'u', &StreamWorld::op_fd_limit},         // descriptors left
    {'h', &StreamWorld::op_advance},          // tenths of a second
    {'q', &StreamWorld::op_poll},             //
    {'Q', &StreamWorld::op_poll_until_idle},  //
};

StreamWorld::StreamWorld(InputReader& input) : input_(input) {
  const Tuning tuning = tuning_of(input.byte());
  const std::uint8_t choice = input.byte();
  kernel_.options() = options_of(choice, input.byte());
  const EventSink sink{.context = this, .deliver = [](void* world, Event&& event) {
                         return static_cast<StreamWorld*>(world)->deliver(std::move(event));
                       }};
  auto server = SocketServer<SimKernel>::create(kernel_, tuning, sink);
  SKYSOCK_CHECK(server.has_value());
  server_ = std::move(*server);
  started_ms_ = kernel_.now_ms();
  lingers_ = tuning.linger_ms > 0 && tuning.linger_sockets >= tuning.slots;
  abandoned_ = (choice & 2) != 0;
}

std::uint64_t StreamWorld::run() {
  for (int count = 0; count < kOperationsMax && !input_.empty(); ++count) step(input_.byte());
  if (!abandoned_) finish();
  server_.reset();
  SKYSOCK_CHECK(kernel_.open_fds() == 0);
  SKYSOCK_CHECK(kernel_.bad_fd_calls() == 0);
  std::uint64_t trace = oracle_.trace();
  for (const Peer& peer : peers_) trace = mix64(trace ^ std::hash<std::string>{}(peer.received));
  return trace;
}

void StreamWorld::step(std::uint8_t letter) {
  const auto named = std::ranges::find(kOperations, static_cast<char>(letter), &Operation::letter);
  const Operation& operation =
      named != std::end(kOperations) ? *named : kOperations[letter % std::size(kOperations)];
  if (tracing()) fmt::print(stderr, "{}\n", operation.letter);
  (this->*operation.run)();
}

// ---- What operations need

bool StreamWorld::deliver(Event&& event) {
  const bool refused = dead_services_.contains(event.to);
  if (tracing()) trace_event(event, refused);
  oracle_.take(event, refused);
  if (event.kind == EventKind::accept) issued(static_cast<SocketId>(event.ud));
  return !refused;
}

void StreamWorld::issued(SocketId id) {
  ids_.push_back(id);
  last_states_.emplace_back(id, server_->state(id));
}

/// Any id that was ever handed out, gone or not; now and then one that was not.
SocketId StreamWorld::pick_id() {
  const std::size_t choice = input_.byte();
  if (ids_.empty() || choice == 255) return static_cast<SocketId>(choice + 1);
  return ids_[choice % ids_.size()];
}

ServiceHandle StreamWorld::pick_service() {
  return static_cast<ServiceHandle>(1 + input_.below(kServices));
}

StreamWorld::Peer* StreamWorld::pick_peer() {
  const std::size_t choice = input_.byte();
  if (peers_.empty()) return nullptr;
  Peer& peer = peers_[choice % peers_.size()];
  return peer.open ? &peer : nullptr;
}

/// Everything that is in the pipe. Planned faults hit these calls too.
std::vector<std::byte> StreamWorld::take_channel() {
  // The two ends were made one after the other on an empty kernel.
  const int read_fd = server_->control_fd() - 1;
  std::array<std::byte, 4'096> piece;
  std::vector<std::byte> all;
  for (;;) {
    const std::size_t faults = kernel_.faults_left();
    const auto got = kernel_.read(read_fd, piece);
    const bool planned = kernel_.faults_left() != faults;
    if (!got && !planned) return all;
    if (got)
      all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(*got));
  }
}

void StreamWorld::put_channel(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto written = kernel_.write(server_->control_fd(), bytes);
    if (written) bytes = bytes.subspan(*written);
  }
}

void StreamWorld::write_raw(std::span<const std::byte> bytes) {
  if (tracing()) fmt::print(stderr, "  pipe: {:02x}\n", fmt::join(bytes, ""));
  channel_.feed(bytes);
  put_channel(bytes);
}

/// Calls the API and shows the model what that wrote to the pipe: the only way to learn tokens
/// without asking the code under test. `learn` gets the packet before the model does.
template <typename Call, typename Learn>
void StreamWorld::call_api(Call call, Learn learn) {
  const std::vector<std::byte> before = take_channel();
  const auto result = call();
  const std::vector<std::byte> packet = take_channel();
  put_channel(before);
  SKYSOCK_CHECK(result.has_value() == !packet.empty());
  if (result) learn(result, read_packet(packet).packet);
  write_raw(packet);
}

// ---- Operations: services

void StreamWorld::op_raw_bytes() { write_raw(input_.bytes(input_.below(64))); }

/// A well-formed packet whose fields are chosen from what exists, so that raw packets hit real ids
/// and tokens; `cut` splits it with a poll in between.
void StreamWorld::op_raw_packet() {
  const std::uint8_t type = input_.byte();
  const SocketId id = pick_id();
  const ServiceHandle service = pick_service();
  const std::uint8_t argument = input_.byte();
  const std::size_t cut = input_.byte();
  const Token token = (Token{1} + argument / 16) << 32U | argument % 16;
  const auto packet = [&]() -> ControlPacket {
    switch (type) {
      case 'L':
        return ListenPacket{.id = id, .requester = service, .fd = token};
      case 'O':
        return OpenPacket{id, service, static_cast<std::uint16_t>(1000 + argument), kRemoteHost};
      case 'K':
        return ClosePacket{.id = id,
                           .requester = service,
                           .mode = CloseMode{static_cast<std::uint8_t>(argument & 1)},
                           .answer = CloseAnswer{static_cast<std::uint8_t>(argument >> 1 & 1)}};
      case 'D':
        return SendPacket{.id = id, .payload = token, .priority = Priority::high};
      case 'P':
        return SendPacket{.id = id, .payload = token, .priority = Priority::low};
      case 'X':
        return ExitPacket{};
      default:
        return StartPacket{.id = id, .requester = service};
    }
  }();
  const EncodedPacket encoded = encode(packet);
  const std::size_t first = std::min(cut, encoded.size);
  write_raw(encoded.bytes().first(first));
  if (first == 0 || first == encoded.size) return write_raw(encoded.bytes().subspan(first));
  poll(0);
  write_raw(encoded.bytes().subspan(first));
}

void StreamWorld::op_listen() {
  const std::uint16_t port = next_port_++;
  const ServiceHandle service = pick_service();
  call_api([&] { return server_->listen(service, kLocalHost, port); },
           [&](const auto& id, const FlatPacket& packet) {
             oracle_.id_issued(*id);
             issued(*id);
             channel_.id_known(static_cast<std::uint32_t>(*id));
             listen_ports_.push_back(port);
             channel_.fd_parked(packet.token);
           });
}

void StreamWorld::op_open() {
  const ServiceHandle service = pick_service();
  const std::size_t where = input_.below(4);
  const bool to_ourselves = where == 3 && !listen_ports_.empty();
  const std::uint16_t port = to_ourselves ? listen_ports_.back() : next_port_++;
  if (!to_ourselves) {
    constexpr std::array kAnswers = {RemoteAnswer::accept, RemoteAnswer::refuse,
                                     RemoteAnswer::ignore, RemoteAnswer::accept};
    kernel_.set_remote(endpoint(kRemoteHost, port), kAnswers[where]);
    remote_ports_.push_back(port);
  }
  call_api([&] { return server_->open(service, to_ourselves ? kLocalHost : kRemoteHost, port); },
           [&](const auto& id, const FlatPacket&) {
             oracle_.id_issued(*id);
             issued(*id);
             channel_.id_known(static_cast<std::uint32_t>(*id));
           });
}

void StreamWorld::op_start() {
  const ServiceHandle service = pick_service();
  const SocketId id = pick_id();
  call_api([&] { return server_->start(service, id); }, [](const auto&, const FlatPacket&) {});
}

void StreamWorld::send(Priority priority) {
  const SocketId id = pick_id();
  const std::size_t size = 1 + input_.byte();
  if (next_message_ == kMessagesMax || sent_bytes_ > kSentBytesMax) return;
  sent_bytes_ += size;
  const std::string text = message_text(next_message_++, size);
  call_api([&] { return server_->send(id, Block::copy_of(text), priority); },
           [&](const auto&, const FlatPacket& packet) {
             channel_.payload_parked(packet.token, static_cast<std::uint32_t>(id), text);
           });
}

void StreamWorld::op_send_high() { send(Priority::high); }
void StreamWorld::op_send_low() { send(Priority::low); }

void StreamWorld::op_close() {
  const ServiceHandle service = pick_service();
  const SocketId id = pick_id();
  const std::uint8_t flags = input_.byte();
  const CloseMode mode = (flags & 1) != 0 ? CloseMode::abortive : CloseMode::soft;
  const CloseAnswer answer = (flags & 2) != 0 ? CloseAnswer::wanted : CloseAnswer::not_needed;
  call_api([&] { return server_->close(service, id, mode, answer); },
           [](const auto&, const FlatPacket&) {});
}

/// By what an owner can do, for every id that was ever handed out.
void StreamWorld::close_everything() {
  for (const SocketId id : ids_) {
    // A planned fault may still hit the channel, so more than one attempt may be due.
    for (bool sent = false; !sent;) {
      call_api([&] { return server_->close(1, id, CloseMode::abortive, CloseAnswer::not_needed); },
               [&](const auto&, const FlatPacket&) { sent = true; });
    }
  }
}

void StreamWorld::op_exit() {
  call_api([&] { return server_->exit(); }, [](const auto&, const FlatPacket&) {});
}

void StreamWorld::op_owner_dies() { dead_services_.insert(pick_service()); }

// ---- Operations: peers

void StreamWorld::op_dial() {
  const std::size_t choice = input_.byte();
  if (listen_ports_.empty()) return;
  const std::uint16_t port = listen_ports_[choice % listen_ports_.size()];
  const auto end = kernel_.dial(endpoint(kLocalHost, port));
  if (end) peers_.push_back({.end = *end, .name = end->local().text()});
}

/// Connects of ours that a remote host accepted become peers.
void StreamWorld::take_remotes() {
  std::erase_if(remote_ports_, [this](std::uint16_t port) {
    const auto end = kernel_.take_remote(endpoint(kRemoteHost, port));
    if (end) peers_.push_back({.end = *end, .port = port});
    return end.has_value();
  });
}

void StreamWorld::op_peer_send() {
  Peer* peer = pick_peer();
  const std::size_t size = 1 + input_.byte();
  if (peer == nullptr || sent_bytes_ > kSentBytesMax) return;
  std::string text(size, '\0');
  for (std::size_t at = 0; at < size; ++at) {
    text[at] = static_cast<char>((peer->sent.size() + at) * 13 + peer->name.size());
  }
  const std::size_t taken = peer->end.send(text);
  sent_bytes_ += taken;
  peer->sent += text.substr(0, taken);
}

void StreamWorld::op_peer_read() {
  Peer* peer = pick_peer();
  const std::size_t size = 1 + input_.byte();
  if (peer != nullptr) peer->received += peer->end.read(size);
}

void StreamWorld::op_peer_shutdown() {
  if (Peer* peer = pick_peer()) peer->end.shutdown_write();
}

void StreamWorld::op_peer_close() {
  if (Peer* peer = pick_peer()) {
    peer->end.close();
    peer->open = false;
  }
}

void StreamWorld::op_peer_reset() {
  if (Peer* peer = pick_peer()) {
    peer->end.reset();
    peer->open = false;
  }
}

void StreamWorld::op_remote_answer() {
  const std::size_t choice = input_.byte();
  const auto answer = static_cast<RemoteAnswer>(input_.below(3));
  if (remote_ports_.empty()) return;
  const std::uint16_t port = remote_ports_[choice % remote_ports_.size()];
  kernel_.set_remote(endpoint(kRemoteHost, port), answer);
}

// ---- Operations: kernel and time

void StreamWorld::op_fault() {
  constexpr std::array kCalls = {Call::read,
                                 Call::write,
                                 Call::stream_socket,
                                 Call::bind,
                                 Call::listen,
                                 Call::accept,
                                 Call::connect,
                                 Call::send,
                                 Call::shutdown_write,
                                 Call::epoll_add,
                                 Call::epoll_modify,
                                 Call::local_endpoint,
                                 Call::peer_endpoint,
                                 Call::set_nodelay,
                                 Call::set_keepalive,
                                 Call::epoll_wait,
                                 Call::take_socket_error,
                                 Call::open_spare};
  constexpr std::array kErrors = {EINTR,  EAGAIN, ECONNRESET, EPIPE,     ENOMEM,       EMFILE,
                                  ENFILE, EIO,    ENOBUFS,    ETIMEDOUT, ECONNABORTED, EPROTO};
  const Call call = kCalls[input_.below(kCalls.size())];
  const int error = kErrors[input_.below(kErrors.size())];
  kernel_.fail_next(call, error, input_.below(8));
  disturbed_ = true;
  if (call == Call::epoll_wait) ++wait_faults_;
  if (call == Call::open_spare) ++spare_faults_;
}

void StreamWorld::op_limit_send() {
  kernel_.limit_next_send(input_.byte());
  ++send_limits_;
}

void StreamWorld::op_fd_limit() {
  const std::uint8_t left = input_.byte();
  const int used = static_cast<int>(kFirstFd + kernel_.open_fds());
  kernel_.options().fd_limit = left == 255 ? kFdLimit : used + left % 4;
}

void StreamWorld::op_advance() { kernel_.advance_ms(std::int64_t{100} * input_.byte()); }
void StreamWorld::op_poll() { poll(0); }
void StreamWorld::op_poll_until_idle() { poll_until_idle(); }

void StreamWorld::poll(int timeout_ms) {
  const std::size_t ids_before = ids_.size();
  const bool goes_on = server_->poll(timeout_ms);
  if (!channel_.all_consumed()) {
    // The reactor reads all or nothing.
    const std::vector<std::byte> unread = take_channel();
    put_channel(unread);
    if (unread.empty()) channel_.consume();
  }
  // Accepted after the commands of this poll were carried out.
  for (const SocketId id : std::span(ids_).subspan(ids_before)) {
    channel_.id_known(static_cast<std::uint32_t>(id));
  }
  SKYSOCK_CHECK(goes_on || channel_.exit_sent());
  take_remotes();
  note_states();
}

void StreamWorld::poll_until_idle() {
  // A wait that fails leaves idle() as it was. A listener that can neither accept nor refuse tries
  // again ever so often: that is rest, too, as long as time passes between its tries.
  constexpr std::int64_t kRetriesMs = 1'000;
  const std::int64_t start_ms = kernel_.now_ms();
  bool starved = false;
  int idle = 0;
  for (int polls = 0; polls < kPollsMax; ++polls) {
    poll(-1);
    idle = kernel_.idle() ? idle + 1 : 0;
    if (idle > wait_faults_) return;
    starved = starved || std::ranges::any_of(last_states_, [](const auto& entry) {
                return entry.second == State::accept_paused;
              });
    if (starved && kernel_.now_ms() - start_ms >= kRetriesMs) return;
  }
  constexpr bool kRestsWhenNothingHappens = false;
  SKYSOCK_CHECK(kRestsWhenNothingHappens);
}

/// Tells the fuzzing engine which states were entered from which.
void StreamWorld::note_states() {
  for (auto& [id, last] : last_states_) {
    const State now = server_->state(id);
    if (now == last) continue;
    state_changed(last, now);
    // A failed write is never silent.
    const Life& life = *oracle_.find(id);
    if (now == State::halfclose_write) SKYSOCK_CHECK(life.errors > 0 || life.orphaned);
    if (tracing()) fmt::print(stderr, "  {}: {} -> {}\n", id, to_text(last), to_text(now));
    last = now;
  }
}

}  // namespace skysock::fuzz
