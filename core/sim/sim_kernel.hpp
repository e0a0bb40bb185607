#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/sim/fault_plan.hpp"
#include "core/sim/objects.hpp"
#include "core/sim/sim_far_end.hpp"
#include "core/sim/sim_peer.hpp"
#include "core/sim/sim_resolver.hpp"
#include "core/sim/sim_udp_peer.hpp"
#include "core/sys/syscalls.hpp"

namespace skysock {

/// What may be varied between two simulated worlds.
struct SimOptions {
  int fd_limit = 1024;           ///< RLIMIT_NOFILE: every descriptor is below it.
  TcpBuffers buffers;            ///< Of both ends of connections made from now on.
  bool connect_at_once = false;  ///< connect() answers itself; else step() or epoll_wait() does.
  std::size_t datagram_queue_bytes = 65'536;  ///< Of UDP sockets made from now on.
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
/// modelled: EPOLLEXCLUSIVE, nested epoll sets, connected UDP sockets, IPv6 sockets that talk IPv4,
/// ENOMEM and the like (plan a fault), and calls that block: where Linux would, this kernel answers
/// EAGAIN.
///
/// Misuse by the code under test: closing a descriptor that is not open fails a CHECK; any other
/// call on one answers EBADF and counts in bad_fd_calls(), which a test expects to be 0.
class SimKernel {
 public:
  using Resolver = SimResolver;
  using Uring = NoUring;

  /// What went through a descriptor, by the code under test.
  struct Traffic {
    std::uint64_t read_bytes = 0;  ///< By read(), receive() and receive_from(),
    std::uint64_t sent_bytes = 0;  ///< and by send(), write_parts() and send_to().
    std::uint64_t datagrams_sent = 0;
  };

  explicit SimKernel(SimOptions options = {}) : options_(options) {
    descriptors_.reserve(kDescriptorsUsual);
  }
  SimKernel(const SimKernel&) = delete;
  SimKernel& operator=(const SimKernel&) = delete;

  // ---- Syscalls

  void close(int fd);
  Result<std::size_t> read(int fd, std::span<std::byte> into);
  Result<std::size_t> receive(int fd, std::span<std::byte> into);
  Result<std::size_t> write(int fd, std::span<const std::byte> from);
  Result<std::size_t> write_parts(int fd, std::span<const iovec> parts);
  Result<bool> set_nonblocking(int fd, bool on);
  Result<PipeEnds> make_pipe();
  Result<int> open_spare();
  Result<int> make_event();
  void signal_event(int fd);

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
  Result<void> set_option(int fd, SocketOption option, int value);

  Result<int> datagram_socket(int family);
  Result<std::size_t> send_to(int fd, std::span<const std::byte> from, const Endpoint& endpoint);
  Result<ReceivedDatagram> receive_from(int fd, std::span<std::byte> into);

  Result<int> epoll_create();
  Result<void> epoll_add(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_modify(int epoll_fd, int fd, std::uint32_t interest, std::uint64_t data);
  Result<void> epoll_remove(int epoll_fd, int fd);
  /// Runs step(), then reports in the order of epoll_add(), going on where a full `events` stopped
  /// the last wait. With nothing ready it passes the time-out on the clock and returns 0; without a
  /// time-out it returns 0 and idle() becomes true.
  Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events, int timeout_ms);

  std::int64_t now_ms() { return now_ms_; }
  /// Looking at it takes kLookUs, so that who spins until a time gets there.
  std::int64_t now_us();
  static constexpr std::int64_t kLookUs = 5;
  /// Calls the hook of on_yield(). Without one nobody else can run: kYieldsMax in a row, without
  /// any other call but now_ms(), are an endless loop and fail a CHECK.
  void yield_thread();
  static constexpr std::size_t kYieldsMax = 1'000;
  /// Calls the hook of on_yield_point().
  void yield_point(YieldPoint point, std::int32_t id = 0) {
    if (on_yield_point_) [[unlikely]]
      on_yield_point_(point, id);
  }
  /// What set_thread() said last; one and the same at first.
  [[nodiscard]] const void* this_thread() const { return thread_; }

  // ---- The world around the code under test

  /// A remote client connects to `to`. Errors: connection_refused when nobody listens there;
  /// timed_out when the backlog is full.
  Result<SimPeer> dial(const Endpoint& to);
  /// Somebody who shares the listening socket at `at` calls shutdown(2) on it: its backlog is
  /// reset, and it hangs up without an error. Requires: there is one.
  void shut_listener(const Endpoint& at);
  /// Whether there is a listening socket at `at`, shut or not.
  [[nodiscard]] bool has_listener(const Endpoint& at) { return listener_at(at) != nullptr; }
  /// How a remote host answers connects to `at`, those under way included.
  void set_remote(const Endpoint& at, RemoteAnswer answer) { remotes_[at.text()].answer = answer; }
  /// The far end of the oldest connect that the remote host at `at` accepted and that was not taken
  /// yet.
  std::optional<SimPeer> take_remote(const Endpoint& at);
  /// The UDP endpoint `at` of a remote host. Requires: nobody has it.
  [[nodiscard]] SimUdpPeer udp_peer(const Endpoint& at);

  /// What the resolver answers; see SimNames.
  void set_host(const std::string& name, std::vector<Endpoint> endpoints) {
    names_.set_host(name, std::move(endpoints));
  }
  void set_host_error(const std::string& name, int eai_code) {
    names_.set_host_error(name, eai_code);
  }
  /// Holds back the resolver's answers until it is called with false, or release_answers() lets
  /// those go that were asked for until now.
  void hold_answers(bool hold) { answers_held_ = hold; }
  void release_answers() { names_.answer(); }
  SimNames& names() { return names_; }

  /// Lets the network answer the connects under way, in the order of connect(), and the resolver
  /// its questions.
  void step();
  void on_yield(std::function<void()> hook) { on_yield_ = std::move(hook); }
  /// Called wherever code under test says that a step of another thread matters. Nothing else costs
  /// more than one load.
  void on_yield_point(std::function<void(YieldPoint, std::int32_t)> hook) {
    on_yield_point_ = std::move(hook);
  }
  /// From now on calls are those of another thread, of which this is the name.
  void set_thread(const void* thread) { thread_ = thread; }
  void advance_ms(std::int64_t by_ms) { now_ms_ += by_ms; }
  /// May be changed at any time.
  SimOptions& options() { return options_; }

  // ---- Descriptors the code under test did not make: blocking at first, as an inherited one.
  // Requires, for each: a free descriptor.

  std::pair<int, SimPipeEnd> lend_pipe_reader();
  std::pair<int, SimPipeEnd> lend_pipe_writer();
  /// A TCP connection that is established.
  std::pair<int, SimPeer> lend_connection();
  int lend_file(std::string_view contents);
  /// Requires: fd is such a file.
  [[nodiscard]] std::string file_contents(int fd);

  // ---- Faults and figures

  /// See FaultPlan::fail_next(). A planned failure has no other effect, but that an EAGAIN is
  /// followed by the edge it makes the code under test wait for.
  void fail_next(Call call, int errno_value, std::uint64_t after = 0) {
    faults_.fail_next(call, errno_value, after);
  }
  /// The next send() or write_parts() takes at most `bytes`; 0 makes it answer EAGAIN. Several are
  /// met in order.
  void limit_next_send(std::size_t bytes) { send_limits_.push_back(bytes); }
  [[nodiscard]] std::uint64_t calls(Call call) const { return faults_.calls(call); }
  /// Planned failures that no call has met.
  [[nodiscard]] std::size_t faults_left() const { return faults_.faults_left(); }
  /// Planned failures that a call has met.
  [[nodiscard]] const auto& faults_met() const { return faults_.faults_met(); }

  /// The value last set, inherited by an accepted socket; nothing when never set.
  [[nodiscard]] std::optional<int> option(int fd, SocketOption option);
  [[nodiscard]] bool is_nonblocking(int fd);
  [[nodiscard]] std::size_t open_fds() const;
  /// Since the descriptor was made. Requires: it is open.
  [[nodiscard]] const Traffic& traffic(int fd) { return descriptor(fd).traffic; }
  /// Of the calls that only sockets and lent descriptors meet, through all descriptors, closed ones
  /// too: receive(), receive_from(), send(), write_parts(), send_to().
  [[nodiscard]] const Traffic& socket_traffic() const { return traffic_; }
  /// What the epoll set watches. Requires: there is exactly one.
  [[nodiscard]] const std::vector<EpollSet::Interest>& watched();
  [[nodiscard]] std::uint64_t bad_fd_calls() const { return bad_fd_calls_; }
  /// Calls on a blocking descriptor that would have blocked the thread.
  [[nodiscard]] std::uint64_t blocked_calls() const { return blocked_calls_; }
  /// The last epoll_wait() had nothing to report and no time-out: nothing happens any more unless
  /// a test makes it happen.
  [[nodiscard]] bool idle() const { return idle_; }

 private:
  struct Descriptor {
    Object object;
    bool nonblocking = false;
    std::array<std::optional<int>, kSocketOptionCount> options;
    Traffic traffic;
  };

  struct Remote {
    RemoteAnswer answer = RemoteAnswer::refuse;
    std::deque<Stream> accepted;
  };

  // Descriptors.
  Result<void> enter(Call call);
  Object& object_at(int fd) { return descriptors_[static_cast<std::size_t>(fd)].object; }
  Object* find(int fd);
  Descriptor& descriptor(int fd);
  Result<Object*> open(Call call, int fd);
  template <typename T>
  Result<T*> open_as(Call call, int fd, std::errc otherwise);
  Result<Stream*> open_stream(Call call, int fd, std::errc on_listener);
  [[nodiscard]] std::optional<int> free_fd() const;
  Result<int> install(Object object, bool nonblocking);
  int lend(Object object);
  void let_go(int fd, Object& object);

  // Reading and writing.
  Result<std::size_t> read_object(Object& object, std::span<std::byte> into);
  Result<std::size_t> write_object(Object& object, std::span<const iovec> parts,
                                   std::size_t limit = SIZE_MAX);
  template <typename T>
  Result<T> note_block(int fd, Result<T> result);
  Result<std::size_t> note_sent(int fd, Result<std::size_t> result);
  void note_read(int fd, std::size_t bytes);
  std::size_t take_send_limit(int fd);
  static constexpr std::size_t kPartsMax = 1'024;  ///< UIO_MAXIOV.
  static constexpr std::size_t kDescriptorsUsual = 32;

  // Network.
  Listener* listener_at(const Endpoint& endpoint);
  [[nodiscard]] bool in_use(const Endpoint& endpoint);
  Endpoint local_of(int family, const char* v4_host, const char* v6_host);
  std::uint16_t free_port(const Endpoint& on);
  Result<void> bind_datagrams(const Datagrams& socket, const Endpoint& endpoint);
  void apply_option(Object& object, SocketOption option, int value);
  Stream establish(const Stream& from, const Endpoint& at);
  void answer_syn(const Stream& end);

  // Epoll.
  Result<EpollSet*> open_set(Call call, int epoll_fd, int fd, std::uint32_t interest);
  EpollSet::Interest interest_in(int fd, std::uint32_t mask, std::uint64_t data);
  std::size_t collect(EpollSet& set, std::span<epoll_event> into);

  SimOptions options_;
  std::vector<Descriptor> descriptors_;
  std::vector<int> listener_fds_;
  std::vector<int> epoll_fds_;
  Traffic traffic_;
  std::deque<std::weak_ptr<TcpEnd>> connecting_;  ///< Oldest first.
  std::map<std::string, Remote> remotes_;         ///< By Endpoint::text().
  std::shared_ptr<UdpNetwork> udp_ = std::make_shared<UdpNetwork>();
  SimNames names_;
  bool answers_held_ = false;
  FaultPlan faults_;
  std::deque<std::size_t> send_limits_;
  std::vector<int> stalled_fds_;  ///< Got an EAGAIN or a short send that no edge would follow.
  std::uint64_t bad_fd_calls_ = 0;
  std::uint64_t blocked_calls_ = 0;
  std::function<void()> on_yield_;
  std::function<void(YieldPoint, std::int32_t)> on_yield_point_;
  const void* thread_ = this;
  std::size_t yields_ = 0;           ///< In a row.
  std::int64_t us_ = 0;              ///< Beyond now_ms_, below 1,000.
  std::int64_t now_ms_ = 1'000'000;  ///< Not 0, which would suit code that forgot to read it.
  EphemeralPorts ports_;
  bool idle_ = false;
};

template <typename T>
Result<T*> SimKernel::open_as(Call call, int fd, std::errc otherwise) {
  const Result<Object*> object = open(call, fd);
  if (!object) return Failure(object.error());
  T* found = std::get_if<T>(*object);
  if (found == nullptr) return failure(otherwise);
  return found;
}

/// Counts an EAGAIN for which Linux would block.
template <typename T>
Result<T> SimKernel::note_block(int fd, Result<T> result) {
  const bool again = !result && result.error() == std::errc::resource_unavailable_try_again;
  if (again && !descriptor(fd).nonblocking) ++blocked_calls_;
  return result;
}

static_assert(Syscalls<SimKernel>);

}  // namespace skysock
