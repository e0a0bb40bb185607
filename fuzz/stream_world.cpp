// StreamWorld: set-up and the run. Operations are in stream_world_services.cpp and
// stream_world_peers.cpp, what is checked at the end in stream_world_checks.cpp.

#include "fuzz/stream_world.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include "core/base/check.hpp"
#include "core/base/prng.hpp"
#include "fuzz/sim_cells.hpp"
#include "fuzz/sim_program.hpp"
#include "fuzz/stream_hosts.hpp"
#include "fuzz/stream_trace.hpp"

namespace skysock::fuzz {
namespace {

/// More than fits into the ring would wait for a reactor that does not run. The smallest piece, of
/// one byte, takes eight there.
constexpr std::size_t kUnreadBytesMax = 700;
/// The longest legal way to rest is one byte per poll.
constexpr int kPollsMax = 20'000;

template <std::size_t Count>
std::int64_t choose(const std::array<std::int64_t, Count>& values, unsigned choice) {
  return values[choice % Count];
}

/// Small sizes, so that every limit is met within a few operations.
Tuning tuning_of(std::uint8_t sizes, std::uint8_t kinds, std::uint8_t limits, std::uint8_t times,
                 std::uint8_t reads) {
  Tuning tuning;
  tuning.ring_bytes = 16'384;
  tuning.slots = choose<4>({16, 2, 3, 8}, sizes);
  tuning.max_events = (sizes & 4) != 0 ? 2 : 16;
  tuning.accept_batch = (sizes & 8) != 0 ? 1 : 8;
  tuning.read_buffer_bytes = (sizes & 16) != 0 ? 64 : 512;
  tuning.reads_per_event = (sizes & 32) != 0 ? 1 : 4;
  tuning.linger_bytes = (sizes & 64) != 0 ? 16 : 4'096;
  tuning.linger_sockets = (sizes & 64) != 0 ? 1 : 16;
  tuning.linger_ms = (sizes & 128) != 0 ? 0 : 1'000;
  tuning.control =
      static_cast<std::int64_t>((kinds & 4) != 0 ? ChannelKind::pipe : ChannelKind::ring);
  tuning.poller =
      static_cast<std::int64_t>((kinds & 8) != 0 ? PollerKind::epoll_et : PollerKind::epoll_lt);
  tuning.direct_write = (kinds & 16) != 0 ? 0 : 1;
  tuning.ctrl_every_event = (kinds & 32) != 0 ? 0 : 1;
  tuning.abort = static_cast<std::int64_t>((kinds & 64) != 0 ? AbortKind::rst : AbortKind::fin);
  tuning.output_limit_bytes = choose<4>({64 << 20, 300, 64, 1'000}, limits >> 4U);
  tuning.output_limit_policy = (limits & 64) != 0 ? 1 : 0;
  tuning.nodelay = tuning.keepalive = (limits & 128) != 0 ? 0 : 1;
  tuning.idle_timeout_ms = choose<4>({0, 700, 5'000, 0}, times);
  tuning.connect_timeout_ms = choose<4>({0, 300, 9'000, 0}, times >> 2U);
  tuning.accept_timeout_ms = choose<4>({60'000, 0, 400, 2'000}, times >> 4U);
  tuning.drain_timeout_ms = choose<4>({60'000, 0, 500, 2'500}, times >> 6U);
  tuning.first_read_bytes = (reads & 1) != 0 ? 256 : 64;
  tuning.bytes_per_event = (reads & 2) != 0 ? 64 : 262'144;
  tuning.send_buffer_bytes = (reads & 4) != 0 ? 33 : 0;
  tuning.receive_buffer_bytes = (reads & 8) != 0 ? 17 : 0;
  tuning.backlog = (reads & 16) != 0 ? 1 : 65'535;
  return tuning;
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
    {'m', &StreamWorld::op_remote_answer},    // remote, answer
    {'b', &StreamWorld::op_fault},            // call, errno, after
    {'i', &StreamWorld::op_limit_send},       // bytes
    {'u', &StreamWorld::op_fd_limit},         // descriptors left
    {'h', &StreamWorld::op_advance},          // tenths of a second
    {'q', &StreamWorld::op_poll},             //
    {'Q', &StreamWorld::op_poll_until_idle},  //
    {'H', &StreamWorld::op_hold},             // service, id
    {'v', &StreamWorld::op_hand_over},        // service, id
    {'V', &StreamWorld::op_give_back},        // service, id, bytes
    {'w', &StreamWorld::op_hand_over_done},   // service, id
    {'T', &StreamWorld::op_set_option},       // id, option, value
    {'B', &StreamWorld::op_bind},             // service, kind
    {'l', &StreamWorld::op_pipe_end},         // which, action, size
    {'U', &StreamWorld::op_udp},              // service, kind
    {'N', &StreamWorld::op_udp_dial},         // service, destination
    {'C', &StreamWorld::op_udp_connect},      // id, destination
    {'A', &StreamWorld::op_send_to},          // id, destination, size
    {'a', &StreamWorld::op_udp_peer_send},    // peer, endpoint, size
    {'R', &StreamWorld::op_resolver},         // what it does
    {'G', &StreamWorld::op_owner_gone},       // service
    {'n', &StreamWorld::op_netstat},          //
    {'W', &StreamWorld::op_send_much},        // id
    {'k', &StreamWorld::op_wake},             //
    {'s', &StreamWorld::op_post_send},        // id, size
    {'j', &StreamWorld::op_shut_listener},    // listener
    {'x', &StreamWorld::op_habit},            // service, does, victim
    {'F', &StreamWorld::op_begin},            // thread, points
    {'J', &StreamWorld::op_resume},           // thread, points
};

WorldOptions WorldOptions::read(InputReader& input) {
  const std::uint8_t sizes = input.byte();
  const std::uint8_t kinds = input.byte();
  const std::uint8_t limits = input.byte();
  const std::uint8_t times = input.byte();
  const std::uint8_t reads = input.byte();
  constexpr std::array<std::size_t, 4> kBytes = {16'384, 1, 7, 300};
  WorldOptions options;
  options.tuning = tuning_of(sizes, kinds, limits, times, reads);
  options.kernel = {
      .fd_limit = kFdLimit,
      .buffers = {.send_bytes = kBytes[limits % 4], .window_bytes = kBytes[limits / 4 % 4]},
      .connect_at_once = (kinds & 1) != 0};
  options.abandoned = (kinds & 2) != 0;
  options.services = (kinds & 128) != 0;
  options.roomy = limits % 16 == 0 && (reads & 12) == 0;
  return options;
}

StreamWorld::StreamWorld(InputReader& input)
    : input_(input),
      options_(WorldOptions::read(input)),
      kernel_(options_.kernel),
      server_(kernel_, options_.tuning,
              {.heard = [this](const Event& event) { answer(event); },
               .run = options_.services ? std::function<void()>([this] { run_services(); })
                                        : nullptr}) {
  base_fds_ = kernel_.open_fds();
  started_ms_ = kernel_.now_ms();
  for (const std::uint16_t port : {kUdpPort, kOtherUdpPort}) {
    udp_peers_.push_back(kernel_.udp_peer(endpoint(kUdpHost, port)));
  }
  set_hosts(kernel_);
}

std::uint64_t StreamWorld::run() {
  for (std::size_t count = 0; count < SimProgram::kOperationsMax && !input_.empty(); ++count) {
    if (server_.channel().unread_bytes() > kUnreadBytesMax) make_room();
    step(input_.byte());
  }
  if (threads_) threads_->finish();
  begin_.reset();
  trace_end(options_.abandoned);
  if (!options_.abandoned) finish();
  std::uint64_t trace = server_.events().trace();
  for (const Peer& peer : peers_) trace = mix64(trace ^ std::hash<std::string>{}(peer.received));
  server_.destroy();
  SKYSOCK_CHECK(server_.payloads() == 0);
  give_up_lent();
  SKYSOCK_CHECK(kernel_.open_fds() == 0);
  SKYSOCK_CHECK(kernel_.bad_fd_calls() == 0);
  count_faults(kernel_);
  return trace;
}

std::string StreamWorld::operation_letters() {
  std::string letters;
  for (const Operation& operation : kOperations) letters += operation.letter;
  return letters;
}

void StreamWorld::step(std::uint8_t letter) {
  const auto named = std::ranges::find(kOperations, static_cast<char>(letter), &Operation::letter);
  const Operation& operation =
      named != std::end(kOperations) ? *named : kOperations[letter % std::size(kOperations)];
  trace_operation(operation.letter, input_.rest());
  run(operation);
}

/// The reader may be behind a record that a thread is in the middle of.
void StreamWorld::make_room() {
  poll(0);
  if (!threads_ || server_.channel().unread_bytes() <= kUnreadBytesMax) return;
  threads_->finish();
  poll(0);
}

void StreamWorld::poll(int timeout_ms) {
  finish_poll();
  server_.poll(timeout_ms);
  take_remotes();
  take_datagrams();
}

void StreamWorld::poll_until_idle() {
  // Output that a thread is in the middle of is tried again and again.
  if (threads_) threads_->finish();
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
    starved = starved || std::ranges::any_of(server_.ids(), [this](SocketId id) {
                return server_.state(id) == State::accept_paused;
              });
    if (starved && kernel_.now_ms() - start_ms >= kRetriesMs) return;
  }
  constexpr bool kRestsWhenNothingHappens = false;
  SKYSOCK_CHECK(kRestsWhenNothingHappens);
}

/// Connects of ours that a remote host accepted become peers.
void StreamWorld::take_remotes() {
  std::erase_if(remotes_, [this](const Remote& remote) {
    auto end = kernel_.take_remote(remote.at);
    if (end) peers_.push_back({.end = std::move(*end), .port = remote.port});
    return end.has_value();
  });
}

void StreamWorld::take_datagrams() {
  for (SimUdpPeer& peer : udp_peers_) {
    while (const auto datagram = peer.take()) {
      server_.datagrams().arrived(peer.local().text(), datagram->from.text(), datagram->text);
    }
  }
}

}  // namespace skysock::fuzz
