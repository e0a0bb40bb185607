#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/net/socket_server.hpp"
#include "core/sim/sim_kernel.hpp"
#include "fuzz/channel_model.hpp"
#include "fuzz/event_oracle.hpp"
#include "fuzz/input_reader.hpp"

namespace skysock::fuzz {

/// One reactor on a simulated kernel, with services, remote peers and faults, all driven by one
/// input. Each operation is a letter and its argument bytes (kOperations in stream_world.cpp lists
/// them); a byte that is no letter of the table picks one by remainder, so every input means
/// something.
///
/// The properties are CHECKs: of EventOracle during the run, and of stream_world_checks.cpp at its
/// end.
class StreamWorld {
 public:
  /// The first three bytes choose tuning, socket buffers and whether connects succeed at once.
  explicit StreamWorld(InputReader& input);

  /// Carries out the operations, then closes everything and holds the accounts against the models
  /// (or destroys the server at once, when the input says so). Returns a number that depends on all
  /// that could be observed.
  std::uint64_t run();

 private:
  /// The far end of one connection.
  struct Peer {
    SimPeer end;
    std::uint16_t port = 0;  ///< Where we were connected to; 0: it dialled us.
    std::string name = {};   ///< Its "ip:port" as a client.
    bool open = true;        ///< Neither closed nor reset by an operation.
    std::string sent;
    std::string received;
  };
  struct Operation {
    char letter;
    void (StreamWorld::*run)();
  };
  static const Operation kOperations[];

  // Operations: services.
  void op_raw_bytes();
  void op_raw_packet();
  void op_listen();
  void op_open();
  void op_start();
  void op_send_high();
  void op_send_low();
  void op_close();
  void op_exit();
  void op_owner_dies();
  // Operations: peers.
  void op_dial();
  void op_peer_send();
  void op_peer_read();
  void op_peer_shutdown();
  void op_peer_close();
  void op_peer_reset();
  void op_remote_answer();
  // Operations: kernel and time.
  void op_fault();
  void op_limit_send();
  void op_fd_limit();
  void op_advance();
  void op_poll();
  void op_poll_until_idle();

  void step(std::uint8_t letter);
  void poll(int timeout_ms);
  /// Polls until nothing happens any more without a push from outside.
  void poll_until_idle();
  void send(Priority priority);
  bool deliver(Event&& event);
  template <typename Call, typename Learn>
  void call_api(Call call, Learn learn);
  std::vector<std::byte> take_channel();
  void put_channel(std::span<const std::byte> bytes);
  void write_raw(std::span<const std::byte> bytes);
  void issued(SocketId id);
  SocketId pick_id();
  ServiceHandle pick_service();
  Peer* pick_peer();
  void take_remotes();
  void note_states();

  // The end, in stream_world_checks.cpp.
  void finish();
  void settle();
  bool peers_read();
  void close_everything();
  void check_peer(const Peer& peer);
  void check_nothing_lost(const Peer& peer, SocketId id, bool all_output_arrived);
  void check_accounts();
  [[nodiscard]] SocketId id_of(const Peer& peer) const;
  /// Nothing but commands and peers had a say so far.
  [[nodiscard]] bool calm() { return !disturbed_ && kernel_.now_ms() == started_ms_; }

  InputReader& input_;
  SimKernel kernel_;
  ChannelModel channel_;
  EventOracle oracle_;
  std::unique_ptr<SocketServer<SimKernel>> server_;
  std::vector<SocketId> ids_;
  std::vector<Peer> peers_;
  std::vector<std::pair<SocketId, State>> last_states_;
  std::vector<std::uint16_t> listen_ports_;
  std::vector<std::uint16_t> remote_ports_;  ///< Connected to by us, not taken yet.
  std::set<ServiceHandle> dead_services_;
  std::int64_t started_ms_ = 0;
  std::uint16_t next_port_ = 1000;
  std::uint8_t next_message_ = 0;
  std::size_t sent_bytes_ = 0;
  int wait_faults_ = 0;  ///< Planned for epoll_wait.
  int send_limits_ = 0;  ///< Each may make one round pass without a byte sent.
  std::size_t spare_faults_ = 0;
  bool disturbed_ = false;  ///< A fault was planned: bytes may be lost.
  bool lingers_ = false;    ///< Every close waits for the peer.
  bool abandoned_ = false;  ///< The server is destroyed as it is at the end.
};

}  // namespace skysock::fuzz
