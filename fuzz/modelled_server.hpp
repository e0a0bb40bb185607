#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/net/socket_server.hpp"
#include "core/sim/sim_kernel.hpp"
#include "core/sim/sim_threads.hpp"
#include "fuzz/call_under_way.hpp"
#include "fuzz/channel_model.hpp"
#include "fuzz/datagram_ledger.hpp"
#include "fuzz/event_oracle.hpp"
#include "fuzz/server_model.hpp"
#include "fuzz/step_oracle.hpp"

namespace skysock::fuzz {

/// A socket server and the models that watch it: every call goes to both, every event and step is
/// held against them. What a call answers, and what it must have put into the control channel,
/// is checked at once.
class ModelledServer {
 public:
  /// What the world around it wants to know.
  struct Hooks {
    /// An event that somebody heard.
    std::function<void(const Event&)> heard;
    /// Services run, on the reactor's thread; empty: they run elsewhere, and only give commands
    /// between two polls.
    std::function<void()> run;
  };

  ModelledServer(SimKernel& kernel, const Tuning& tuning, Hooks hooks);
  ModelledServer(const ModelledServer&) = delete;
  ModelledServer& operator=(const ModelledServer&) = delete;

  // ---- The server's calls. Those that make a socket answer its id, 0 when it was refused.
  SocketId listen(ServiceHandle owner, const std::string& host, std::uint16_t port);
  SocketId open(ServiceHandle owner, const std::string& host, std::uint16_t port);
  /// `pollable`: the descriptor is no file.
  SocketId bind(ServiceHandle owner, int fd, bool pollable);
  SocketId udp(ServiceHandle owner, const std::string& host, std::uint16_t port);
  SocketId udp_dial(ServiceHandle owner, const Endpoint& to);
  void udp_connect(SocketId id, const Endpoint& to);
  void start(ServiceHandle requester, SocketId id);
  void hold(ServiceHandle requester, SocketId id);
  void hand_over(ServiceHandle requester, SocketId id);
  /// The owner gives the last `bytes` of what it heard back, in two pieces.
  void give_back(ServiceHandle requester, SocketId id, std::size_t bytes);
  void hand_over_done(ServiceHandle requester, SocketId id);
  void send(SocketId id, const std::string& text, Priority priority);
  void send_to(SocketId id, const Endpoint& to, const std::string& text);
  /// As a caller that looked at `id` earlier. Nothing happens for an id that nobody ever had.
  void post_send(SocketId id, const std::string& text);
  void close(ServiceHandle requester, SocketId id, CloseMode mode, CloseAnswer answer);
  void set_option(SocketId id, ConnectionOption option, std::int64_t value);
  void exit();
  void owner_gone(ServiceHandle owner) { server_->owner_gone(owner); }
  void wake() { server_->wake(); }
  void inject(std::span<const std::byte> bytes);
  void poll(int timeout_ms);
  /// The next poll asks for it and holds it against the models.
  void ask_netstat() { netstat_wanted_ = true; }

  // ---- Calls that stop in the middle: modelled_server_threads.cpp.
  /// From now on these threads make calls; the models are told of each at its yield points.
  void run_in(const SimThreads& threads) { threads_ = &threads; }
  /// The thread that runs is at `point`, and goes on.
  void arrived(YieldPoint point, SocketId id);
  void left(YieldPoint point, SocketId id);

  /// Ends the server as it is. Nothing but ids() and what the models know may be asked after it.
  void destroy() { server_.reset(); }

  /// Nobody lives at that handle from now on.
  void service_died(ServiceHandle service) { dead_.insert(service); }
  /// Payloads that were given to the server and were not freed.
  [[nodiscard]] std::size_t payloads() const { return payloads_; }

  // ---- What is known. In modelled_server_checks.cpp, what must hold at the end.
  /// Every id that was ever handed out, in order.
  [[nodiscard]] const std::vector<SocketId>& ids() const { return ids_; }
  [[nodiscard]] State state(SocketId id) const { return server_->state(id); }
  [[nodiscard]] Protocol protocol(SocketId id) const { return server_->protocol(id); }
  [[nodiscard]] SocketServerCounts counts() const { return server_->counts(); }
  [[nodiscard]] ChannelModel& channel() { return channel_; }
  [[nodiscard]] const EventOracle& events() const { return events_; }
  [[nodiscard]] const StepOracle& steps() const { return steps_; }
  [[nodiscard]] DatagramLedger& datagrams() { return datagrams_; }
  /// A sender told the reactor of a lock that it let go.
  [[nodiscard]] bool told_of_locks() const { return told_of_locks_; }
  /// Packets were put in that no call made.
  [[nodiscard]] bool meddled() const { return meddled_; }
  /// Requires: every id was closed, and nothing happens any more.
  void check_end();

 private:
  struct Limit {
    std::int64_t bytes = 0;
    bool aborts = false;
  };

  bool deliver(Event&& event);
  Block payload(const std::string& text);
  void check_open(const Event& event);
  void on_step(const Step& step);
  void on_run();
  void on_flush();
  void post(const ControlPacket& packet);
  void catch_up(std::uint64_t packets);
  /// Shows the channel's model what was taken so far, in the middle of a poll, too.
  void advance() { channel_.advance(server_->counts().packets); }
  void closed(SocketId id);
  void fresh(SocketId id);
  [[nodiscard]] bool on_reactor() const;
  /// The reactor is in the middle of a poll, and the caller is another thread.
  [[nodiscard]] bool nobody_else_runs() const {
    return threads_ == nullptr || (calls_.empty() && threads_->current() == SimThreads::kCaller);
  }
  [[nodiscard]] bool reactor_is_busy() const { return polling_ && !on_reactor(); }

  /// Does `call`, which posts `packet` if it succeeds, and shows it to the models; `was_posted()`
  /// then.
  template <typename Packet, typename Do, typename WasPosted>
  auto give(const Packet& packet, Do call, WasPosted was_posted);
  template <typename Packet, typename Do>
  auto give(const Packet& packet, Do call) {
    return give(packet, call, [] {});
  }
  /// A socket that a call makes.
  struct NewSocket {
    ServiceHandle owner = 0;
    bool datagrams = false;
    char fd_letter = 0;  ///< Of the packet that takes its descriptor; 0: it has none.
  };
  /// Does `call`, which makes such a socket and posts `packet(id, token)`; `was_made(id)` as soon
  /// as there is an id, which may be long before the call returns.
  template <typename Packet, typename Do, typename WasMade>
  SocketId make(const NewSocket& socket, const Packet& packet, Do call, WasMade was_made);

  class Overlapped;
  void reserved(SocketId id, const NewSocket& socket);
  void finish(CallUnderWay& call);
  void was_posted(CallUnderWay& call);
  void overlapped_send(SocketId id, const std::string& text, const Endpoint* to, Priority priority);
  [[nodiscard]] bool accepts_sends(SocketId id, State state) const;
  void check_overlapped_refusal(const CallUnderWay& call, SocketId id, std::error_code error);
  void check_limit(const CallUnderWay& call, SocketId id);
  void check_address_refusal(SocketId id, std::error_code error);
  void tell_of_datagram(CallUnderWay& call);
  void about_to_write(CallUnderWay& call, SocketId id);
  void wrote_directly(CallUnderWay& call, SocketId id);
  [[nodiscard]] Result<SendOutcome> pass_on(SocketId id, const std::string& text,
                                            const Endpoint* to, Priority priority);
  Limit& limit_of(SocketId id);
  void give_back_piece(ServiceHandle by, SocketId id, const std::string& text);
  [[nodiscard]] std::uint64_t keep_bytes(SocketId id) const;
  void check_refusal(SocketId id, std::size_t bytes, std::error_code error, State state);
  void accepted(SocketId id, std::size_t bytes);
  void took(SocketId id, const std::string& text, const Endpoint* to, Priority priority,
            SendOutcome outcome);
  void check_sends(const SocketServerCounts& counts);
  void check_netstat(const std::vector<SocketInfo>& all);
  void check_info(const SocketInfo& info);

  SimKernel& kernel_;
  Tuning tuning_;
  Hooks hooks_;
  ChannelModel channel_;
  EventOracle events_;
  StepOracle steps_;
  DatagramLedger datagrams_;
  std::unique_ptr<SocketServer<SimKernel>> server_;
  std::optional<ServerModel> model_;
  std::size_t payloads_ = 0;  ///< Given to the server and not freed.
  std::vector<SocketId> ids_;
  std::vector<SocketId> fresh_ids_;   ///< Accepted since the channel was last looked at.
  std::vector<SocketId> closed_ids_;  ///< Closed by their owners since then.
  std::deque<bool> options_set_;      ///< Whether each 'T' since then found a socket that takes it.
  /// Owns nothing, ever.
  static constexpr ServiceHandle kStranger = 99;

  struct GivenBack {
    SocketId id = 0;
    ServiceHandle by = 0;
    std::string text;
  };
  std::deque<GivenBack> given_back_;          ///< In the channel, on their way to the server,
  std::deque<GivenBack> given_back_here_;     ///< or given inside a callback.
  std::map<SocketId, ServiceHandle> givers_;  ///< Who gave each socket up last.
  std::map<SocketId, Limit> limits_;
  struct Accepted {
    std::uint64_t bytes = 0;
    std::uint64_t sends = 0;
  };
  std::map<SocketId, Accepted> accepted_;  ///< By send().
  /// Direct writes whose rest the reactor was not told of yet.
  std::map<SocketId, int> remainders_;
  std::set<SocketId> starting_;  ///< Accepted ones with a start on its way, or done.
  std::map<SocketId, std::string> destinations_;  ///< Default ones, of datagram sockets.
  std::set<SocketId> dropped_;                    ///< Lost output while they changed owners.
  std::set<SocketId> connects_;                   ///< Made by open().
  std::set<ServiceHandle> dead_;
  std::uint64_t cuts_ = 0;     ///< Direct writes that left a rest.
  std::uint64_t written_ = 0;  ///< Sends that answered `written`,
  std::uint64_t queued_ = 0;   ///< or went through the channel,
  std::uint64_t refused_ = 0;  ///< or were refused,
  std::uint64_t limited_ = 0;  ///< or exceeded a limit.
  bool told_of_locks_ = false;
  bool polling_ = false;
  const SimThreads* threads_ = nullptr;         ///< Who may be stopped inside of a call.
  std::map<std::size_t, CallUnderWay*> calls_;  ///< By thread.
  std::size_t poller_ = 0;                      ///< The thread that is inside of poll().
  std::set<SocketId> silenced_;                 ///< Closed by steps: no direct write may begin.
  bool netstat_wanted_ = false;
  bool meddled_ = false;
};

}  // namespace skysock::fuzz
