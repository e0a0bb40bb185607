#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/sim/fault_plan.hpp"
#include "core/sim/objects.hpp"
#include "core/sim/sim_peer.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

/// What may be varied between two simulated worlds.
struct SimOptions {
  int fd_limit = 1024;           ///< RLIMIT_NOFILE: every descriptor is below it.
  TcpBuffers buffers;            ///< Of both ends of connections made from now on.
  bool connect_at_once = false;  ///< connect() answers itself; else step() or epoll_wait() does.
};

/// What a remote host does with a SYN to one of its endpoints.
enum class RemoteAnswer : std::uint8_t {
  refuse,  ///< RST. So does every endpoint nothing was said about.
  accept,  ///< The other end waits in take_remote().
  ignore,  ///< No answer: the connect stays under way.
};

/// A kernel in memory: the second implementation of Syscalls, on which tests and fuzzers run the
/// reactor. It takes nothing from the operating system, no clock and no randomness, so equal calls
/// give equal worlds. Single-threaded: it locks nothing.
///
/// Where it has an answer, the answer is Linux's (kernel_conformance_test.cpp runs on both). Not
/// modelled: edge-triggered and one-shot epoll, nested epoll sets, ENOMEM and the like (plan a
/// fault), and a full pipe, where Linux blocks the writer and this kernel answers EAGAIN.
///
/// Misuse by the code under test: closing a descriptor that is not open fails a CHECK; any other
/// call on one answers EBADF and counts in bad_fd_calls(), which a test expects to be 0.
class SimKernel {
 public:
  explicit SimKernel(SimOptions options = {}) : options_(options) {}
  SimKernel(const SimKernel&) = delete;
  SimKernel& operator=(const SimKernel&) = delete;

  // ---- Syscalls

  void close(int fd);
  Result<std::size_t> read(int fd, std::span<std::byte> into);
  Result<std::size_t> write(int fd, std::span<const std::byte> from);
  Result<PipeEnds> make_pipe();
  Result<int> open_spare();

  Result<int> stream_socket(int family);
  Result<void> bind(int fd, const Endpoint& endpoint);
  Result<void> listen(int fd, int backlog);
  Result<AcceptedSocket> accept(int fd);
  Result<void> connect(int fd, const Endpoint& endpoint);
  Result<std::size_t> send(int fd, std::span<const iovec> parts);
  Result<void> shutdown_write(int fd);
  Result<int> take_socket_error(int fd);
  Result<Endpoint> local_endpoint(int fd);
  Result<Endpoint> peer_endpoint(int fd);
  Result<void> set_nodelay(int fd, bool on);
  Result<void> set_keepalive(int fd, bool on);

  Result<int> epoll_create();
  Result<void> epoll_add(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_modify(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_remove(int epoll_fd, int fd);
  /// Runs step(), then reports in the order of epoll_add(), going on where a full `events` stopped
  /// the last wait. With nothing ready it passes the time-out on the clock and returns 0; without a
  /// time-out it returns 0 and idle() becomes true.
  Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events, int timeout_ms);

  std::int64_t now_ms() { return now_ms_; }

  // ---- The world around the code under test

  /// A remote client connects to `to`. Errors: connection_refused when nobody listens there;
  /// timed_out when the backlog is full.
  Result<SimPeer> dial(const Endpoint& to);
  /// How a remote host answers connects to `at`, those under way included.
  void set_remote(const Endpoint& at, RemoteAnswer answer) { remotes_[at.text()].answer = answer; }
  /// The far end of the oldest connect that the remote host at `at` accepted and that was not taken
  /// yet.
  std::optional<SimPeer> take_remote(const Endpoint& at);
  /// Lets the network answer the connects under way, in the order of connect().
  void step();
  void advance_ms(std::int64_t by_ms) { now_ms_ += by_ms; }
  /// May be changed at any time.
  SimOptions& options() { return options_; }

  // ---- Faults and figures

  /// See FaultPlan::fail_next(). A planned failure has no other effect.
  void fail_next(Call call, int errno_value, std::uint64_t after = 0) {
    faults_.fail_next(call, errno_value, after);
  }
  /// The next send() takes at most `bytes`; 0 makes it answer EAGAIN. Several are met in order.
  void limit_next_send(std::size_t bytes) { send_limits_.push_back(bytes); }
  [[nodiscard]] std::uint64_t calls(Call call) const { return faults_.calls(call); }
  /// Planned failures that no call has met.
  [[nodiscard]] std::size_t faults_left() const { return faults_.faults_left(); }

  [[nodiscard]] std::size_t open_fds() const;
  [[nodiscard]] std::uint64_t bad_fd_calls() const { return bad_fd_calls_; }
  /// The last epoll_wait() had nothing to report and no time-out: nothing happens any more unless
  /// a test makes it happen.
  [[nodiscard]] bool idle() const { return idle_; }

 private:
  struct Remote {
    RemoteAnswer answer = RemoteAnswer::refuse;
    std::deque<Stream> accepted;
  };

  // Descriptors.
  Result<void> enter(Call call);
  Object* find(int fd);
  Result<Object*> open(Call call, int fd);
  template <typename T>
  Result<T*> open_as(Call call, int fd, std::errc otherwise);
  Result<Stream*> open_stream(Call call, int fd, std::errc on_listener);
  Result<void> open_socket(Call call, int fd);
  [[nodiscard]] std::optional<int> free_fd() const;
  Result<int> install(Object object);

  // Network.
  Listener* listener_at(const Endpoint& endpoint);
  [[nodiscard]] bool in_use(const Endpoint& endpoint);
  Endpoint local_of(int family, const char* v4_host, const char* v6_host);
  std::uint16_t free_port(const Endpoint& on);
  Stream establish(const Stream& from, const Endpoint& at);
  void answer_syn(const Stream& end);

  // Epoll.
  Result<EpollSet*> open_set(Call call, int epoll_fd, int fd, std::uint32_t interest);
  std::size_t collect(EpollSet& set, std::span<epoll_event> into);

  SimOptions options_;
  std::vector<Object> objects_;  ///< By descriptor.
  std::vector<int> listener_fds_;
  std::vector<int> epoll_fds_;
  std::deque<std::weak_ptr<TcpEnd>> connecting_;  ///< Oldest first.
  std::map<std::string, Remote> remotes_;         ///< By Endpoint::text().
  FaultPlan faults_;
  std::deque<std::size_t> send_limits_;
  std::uint64_t bad_fd_calls_ = 0;
  std::int64_t now_ms_ = 1'000'000;  ///< Not 0, which would suit code that forgot to read it.
  std::uint16_t last_port_ = 0;
  bool idle_ = false;
};

static_assert(Syscalls<SimKernel>);

}  // namespace skysock
