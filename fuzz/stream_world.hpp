#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/sim/sim_kernel.hpp"
#include "core/sim/sim_threads.hpp"
#include "fuzz/input_reader.hpp"
#include "fuzz/modelled_server.hpp"

namespace skysock::fuzz {

/// What the first bytes of an input choose.
struct WorldOptions {
  Tuning tuning;
  SimOptions kernel;
  bool abandoned = false;  ///< The server is destroyed as it is at the end.
  bool services = false;   ///< Services run on the reactor's thread and answer what they hear.
  bool roomy = false;      ///< Sockets take enough at once for a megabyte to leave soon.

  static WorldOptions read(InputReader& input);
};

/// One reactor on a simulated kernel, with services, remote peers and faults, all driven by one
/// input. Each operation is a letter and its argument bytes (kOperations in stream_world.cpp lists
/// them); a byte that is no letter of the table picks one by remainder, so every input means
/// something.
///
/// The properties are CHECKs: of ModelledServer during the run, and of stream_world_checks.cpp at
/// its end.
class StreamWorld {
 public:
  explicit StreamWorld(InputReader& input);

  /// The letters of its operations, in their order.
  static std::string operation_letters();

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
    SocketId id = 0;         ///< Of our end, if we lent it to the server.
    bool open = true;        ///< Neither closed nor reset by an operation.
    std::string sent = {};
    std::string received = {};
  };
  /// A descriptor that is ours and the server borrows.
  struct Lent {
    int fd;
    SocketId id;
    bool file = false;
    bool far_writes = false;
    std::optional<SimPipeEnd> far = {};  ///< Of a pipe; nothing once it was closed, too.
    std::string sent = {};               ///< By the far end, or what is in the file.
    std::string received = {};
  };
  /// What a service on the reactor's thread does beside what is expected of it.
  struct Habit {
    bool closes = false;  ///< Aborts a socket on DATA, instead of an echo.
    std::uint8_t victim = 0;
    bool connects = false;  ///< On CLOSE, to a host that never answers.
  };
  /// A connect of ours that nobody has taken on the other side.
  struct Remote {
    Endpoint at;
    std::uint16_t port;
  };
  struct Operation {
    char letter;
    void (StreamWorld::*run)();
  };
  static const Operation kOperations[];

  // Services: stream_world_services.cpp.
  void op_raw_bytes();
  void op_raw_packet();
  void op_listen();
  void op_open();
  void op_bind();
  void op_udp();
  void op_udp_dial();
  void op_udp_connect();
  void op_start();
  void op_hold();
  void op_hand_over();
  void op_give_back();
  void op_hand_over_done();
  void op_send_high();
  void op_send_low();
  void op_send_much();
  void op_send_to();
  void op_post_send();
  void op_close();
  void op_set_option();
  void op_exit();
  void op_owner_dies();
  void op_owner_gone();
  void op_netstat();
  void op_wake();
  void op_habit();
  // Peers, kernel and time: stream_world_peers.cpp.
  void op_dial();
  void op_peer_send();
  void op_peer_read();
  void op_peer_shutdown();
  void op_peer_close();
  void op_peer_reset();
  void op_udp_peer_send();
  void op_pipe_end();
  void op_shut_listener();
  void op_remote_answer();
  void op_resolver();
  void op_fault();
  void op_limit_send();
  void op_fd_limit();
  void op_advance();
  void op_poll();
  void op_poll_until_idle();
  // Threads: stream_world_threads.cpp.
  void op_begin();
  void op_resume();

  void step(std::uint8_t letter);
  void run(const Operation& operation);
  SimThreads& threads();
  void at_point(YieldPoint point, SocketId id);
  void make_room();
  void poll(int timeout_ms);
  void finish_poll();
  /// Polls until nothing happens any more without a push from outside.
  void poll_until_idle();
  void send(SocketId id, std::size_t size, Priority priority);
  /// A fresh text of that size; nothing when there are enough.
  std::optional<std::string> message(std::size_t size);
  void write_raw(std::span<const std::byte> bytes);
  [[nodiscard]] ControlPacket raw_packet(std::uint8_t type);
  void lend(ServiceHandle service, int fd, Lent&& lent);
  void run_services();
  void answer(const Event& event);
  void answer_data(const Event& event);
  void answer_close(const Event& event);
  SocketId id_at(std::size_t choice);
  SocketId pick_id();
  ServiceHandle pick_service();
  ServiceHandle pick_requester();
  Endpoint pick_destination();
  Peer* pick_peer();
  void take_remotes();
  void take_datagrams();

  // The end: stream_world_checks.cpp.
  void finish();
  void settle();
  bool peers_read();
  void close_everything();
  void check_peer(const Peer& peer);
  void check_nothing_lost(const Peer& peer, SocketId id, bool all_output_arrived);
  void check_lent(const Lent& lent);
  void check_datagrams();
  void give_up_lent();
  [[nodiscard]] SocketId id_of(const Peer& peer);
  /// Nothing but commands and peers had a say so far, and the reactor was not told to end: then
  /// nobody waits for what a service that ends has in the channel.
  [[nodiscard]] bool calm() {
    return !disturbed_ && kernel_.now_ms() == started_ms_ && !server_.channel().exit_sent();
  }

  InputReader& input_;
  const WorldOptions options_;
  SimKernel kernel_;
  ModelledServer server_;
  std::vector<Peer> peers_;
  std::deque<Lent> lent_;
  std::vector<SimUdpPeer> udp_peers_;
  std::vector<Event> heard_;  ///< What services on the reactor's thread have to answer; no data.
  std::map<ServiceHandle, Habit> habits_;
  std::vector<std::uint16_t> listen_ports_;
  std::vector<Remote> remotes_;
  std::size_t base_fds_ = 0;  ///< Of a server without sockets.
  std::int64_t started_ms_ = 0;
  std::uint16_t next_port_ = 1000;
  std::uint8_t next_message_ = 0;
  std::size_t sent_bytes_ = 0;
  std::size_t much_sent_ = 0;
  int wait_faults_ = 0;  ///< Planned for epoll_wait.
  int send_limits_ = 0;  ///< Each may make one round pass without a byte sent.
  std::size_t spare_faults_ = 0;
  bool disturbed_ = false;  ///< A fault was planned: bytes may be lost.
  bool small_buffers_ = false;
  /// Where the next operation that can stop in the middle does so.
  struct Begin {
    std::size_t thread = 0;
    std::uint64_t points = 0;
  };
  std::optional<Begin> begin_;
  std::optional<SimThreads> threads_;  ///< Made by the first operation that asks for them.
};

}  // namespace skysock::fuzz
