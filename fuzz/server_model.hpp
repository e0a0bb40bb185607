#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/net/event.hpp"
#include "core/net/socket_server.hpp"
#include "core/net/step_observer.hpp"
#include "core/sim/sim_kernel.hpp"
#include "fuzz/channel_model.hpp"

namespace skysock::fuzz {

/// The socket server as its specification describes it: which sockets there are, in which state and
/// whose, how much output waits, what the kernel watches and which descriptors are open, and every
/// count that follows. It is told what callers did and which inputs the server met, and shares no
/// code with the server: what follows from an input is looked up in spec_table.hpp, the rest stands
/// here. A server that differs fails a CHECK.
class ServerModel {
 public:
  /// Requires: the server was just made.
  ServerModel(SimKernel& kernel, const Tuning& tuning);

  // ---- What callers did.

  void made(SocketId id, ServiceHandle owner, bool datagrams);
  /// `fd` was lent, for `id` unless that is 0. `pollable`: epoll knows such descriptors.
  void lent(int fd, SocketId id, bool pollable);
  /// A send of `bytes` was accepted.
  void sent(SocketId id, std::size_t bytes);
  /// The reactor will be told that output waits for it, or that a sender let go of the lock.
  void arm_write_due(SocketId id);
  /// From now on packets come that no call made.
  void meddle() { meddled_ = true; }

  // ---- What the server did, in its order.

  void take(const Step& step);
  void take(const Event& event, bool refused);
  /// A packet was taken out of the channel, after the steps of this poll.
  void take(const TakenPacket& taken);

  /// Between two polls, when every packet that was taken is known: the whole server is as it should
  /// be. Not `quiet`: a thread is inside of a call. Of a send the kernel, the counts and this model
  /// then hear at different moments, and a descriptor is open before it has an id; so output,
  /// interest, traffic and descriptors wait until nobody is.
  void check(const SocketServer<SimKernel>& server, const SocketServerCounts& counts,
             const ChannelModel& channel, bool quiet);
  /// A raw packet made it for another owner than the call that asked for it.
  [[nodiscard]] bool usurped(SocketId id) const { return usurped_.contains(id); }
  /// What netstat says that the kernel is asked for; `parked`: of its output, what the reactor does
  /// not know of yet.
  void check_flags(const SocketInfo& info, std::uint64_t parked);

  /// What each send counts beside its bytes while it waits.
  [[nodiscard]] static constexpr std::uint64_t keep_bytes(bool datagrams) {
    return datagrams ? 128 : 0;
  }

 private:
  struct Socket {
    State state = State::reserved;
    ServiceHandle owner = 0;
    bool datagrams = false;
    bool pollable = true;
    std::optional<int> lent_fd = {};
    // Of accepted sends; each counts keep_bytes() more.
    std::uint64_t accepted_bytes = 0;
    std::uint64_t lost_bytes = 0;
    bool lost_unseen = false;  ///< More was lost than packets and steps tell.
    int arm_writes_due = 0;    ///< Packets of that kind on their way to the reactor.
  };
  /// A step that a packet caused, or the end of a socket.
  struct Done {
    std::optional<Input> input;  ///< Nothing: the end.
    SocketId id;
    ServiceHandle owner;
    Act act;
  };

  [[nodiscard]] static std::uint64_t counted(const Socket& socket, std::size_t bytes);
  void take_owner(Socket& socket, const Step& step);
  Done next_done(Input input, SocketId id);
  void skip_ends();
  [[nodiscard]] bool ended_before_next(SocketId id) const;
  void take_send(const TakenPacket& taken);
  const EpollSet::Interest* watched(SocketId id);
  void check_counts(const SocketServerCounts& counts, const ChannelModel& channel);
  void check_traffic(const SocketServerCounts& counts);
  void check_descriptors(const ChannelModel& channel);
  void check_socket(SocketId id, const Socket& socket, std::uint64_t queued,
                    const ChannelModel& channel);
  void check_interest(const Socket& socket, const EpollSet::Interest* interest, bool output);
  [[nodiscard]] std::uint64_t left(const Socket& socket, const EpollSet::Interest* interest);

  SimKernel& kernel_;
  const bool edges_;
  const std::size_t base_fds_;
  std::map<SocketId, Socket> sockets_;  ///< Those that are not free.
  std::set<SocketId> datagram_ids_;     ///< Gone or not.
  std::set<SocketId> usurped_;
  std::set<SocketId> ended_;
  std::deque<Done> done_;  ///< Not matched with a packet yet.
  std::vector<int> lent_fds_;
  std::array<std::uint64_t, kInputCount> steps_{};
  std::array<std::uint64_t, kInputCount> ends_{};
  std::uint64_t refused_events_ = 0;
  std::uint64_t warnings_ = 0;
  std::uint64_t dropped_ = 0;         ///< Sends, for certain,
  std::uint64_t dropped_unseen_ = 0;  ///< and those that perhaps were.
  bool meddled_ = false;
};

}  // namespace skysock::fuzz
