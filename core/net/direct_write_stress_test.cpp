// Do sends from many threads, with closes, shutdowns, holds and resets by others in between, lose,
// double or reorder a byte? Real threads on loopback, for ThreadSanitizer (LV20) and for ASan.
//
// SKYSOCK_STRESS_SECONDS (default 2), _SENDERS (4) and _SOCKETS (64) say how much; every choice
// comes from SKYSOCK_STRESS_SEED (default 1), every interleaving from the scheduler. One more
// sender is the reactor's own thread. SKYSOCK_TEST_TUNING (poller=io_uring) changes the server.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "core/base/prng.hpp"
#include "core/net/socket_server.hpp"
#include "core/sys/linux.hpp"

namespace skysock {
namespace {

constexpr ServiceHandle kOwner = 7;

std::size_t setting(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

/// What travels: who sent it, which of his messages on this socket it is, how much follows.
struct Frame {
  std::uint32_t sender = 0;
  std::uint32_t number = 0;
  std::uint32_t bytes = 0;

  static constexpr std::size_t kBytesMax = 60'000;

  /// Different for neighbours, and cheap to make and to compare.
  [[nodiscard]] std::span<const std::byte> payload() const {
    static const std::vector<std::byte> pattern = [] {
      std::vector<std::byte> cycle(kBytesMax + 251);
      for (std::size_t at = 0; at < cycle.size(); ++at) cycle[at] = std::byte(at % 251);
      return cycle;
    }();
    return std::span(pattern).subspan((number * 31 + sender * 7) % 251, bytes);
  }
  [[nodiscard]] Block encoded() const {
    Block block(sizeof(Frame) + bytes);
    std::memcpy(block.bytes().data(), this, sizeof(Frame));
    std::memcpy(block.bytes().data() + sizeof(Frame), payload().data(), bytes);
    return block;
  }
};

/// One socket of the server, from its accept to its end.
struct Link {
  Link(SocketId id_in, int fd_in, std::size_t senders)
      : id(id_in), fd(fd_in), accepted(senders), received(senders) {}

  const SocketId id;
  const int fd;  ///< The peer's end.
  /// By sender: messages that send() took; only that sender writes.
  std::vector<std::atomic<std::uint32_t>> accepted;
  std::atomic<bool> aborted{false};  ///< Somebody ended it without waiting: it may be cut.

  std::mutex mutex;
  bool closed = false;
  std::vector<std::uint32_t> promised;  ///< Accepted when a soft close was asked for.

  // Of the peer's thread.
  std::vector<std::uint32_t> received;
  std::vector<std::byte> unread;                       ///< The front of a frame.
  std::chrono::steady_clock::time_point paused_until;  ///< Its peer does not read before.
};

/// A place for one link after another.
struct Place {
  std::mutex mutex;
  std::shared_ptr<Link> link;

  std::shared_ptr<Link> get() {
    const std::lock_guard lock(mutex);
    return link;
  }
  void set(std::shared_ptr<Link> next) {
    const std::lock_guard lock(mutex);
    link = std::move(next);
  }
};

class Stress {
 public:
  Stress(std::size_t senders, std::size_t sockets, std::uint64_t seed)
      : senders_(senders + 1), seed_(seed), places_(sockets) {
    const char* more = std::getenv("SKYSOCK_TEST_TUNING");
    // No peer is cut off for reading late: where much else runs, a round of reads takes a second.
    const std::string tuning = "slots=1024,output_limit_bytes=1000000,linger_ms=60000" +
                               (more == nullptr ? std::string() : std::string(",") + more);
    const EventSink sink{
        .context = this,
        .deliver =
            [](void* context, Event&& event) {
              return static_cast<Stress*>(context)->take(std::move(event));
            },
        .run = [](void* context) { static_cast<Stress*>(context)->send_inside(); }};
    server_ = std::move(*SocketServer<LinuxSys>::create(sys_, parse_tuning(tuning).value(), sink));
  }

  void run(std::chrono::seconds duration) {
    std::jthread reactor([this] {
      while (server_->poll(-1)) {
      }
    });
    listen();
    for (Place& place : places_) place.set(connect());
    {
      std::vector<std::jthread> threads;
      for (std::size_t sender = 0; sender < senders_ - 1; ++sender) {
        threads.emplace_back([this, sender] { send(sender); });
      }
      threads.emplace_back([this] { disturb(); });
      // The peers read on until every link has ended.
      std::jthread peers([this] { read(); });
      std::this_thread::sleep_for(duration);
      stop_ = true;
      threads.clear();
      for (Place& place : places_) {
        if (const auto link = place.get()) close(*link, CloseMode::soft);
      }
    }
    expect_baseline();
    EXPECT_TRUE(server_->exit().has_value());
  }

  void report() const {
    const SocketServerCounts counts = server_->counts();
    fmt::print(
        "{} senders, {} places: {} sockets, {} sends, {} bytes; {} direct writes, {} remainders, "
        "{} queued, {} refused, {} limited; {} soft closes, {} abortive, {} resets, {} holds\n",
        senders_, places_.size(), links_, sends_.load(), bytes_.load(), counts.direct_writes,
        counts.direct_remainders, counts.queued_sends, counts.refused_sends, counts.limited_sends,
        soft_closes_.load(), abortive_closes_.load(), resets_, holds_);
    fmt::print("{} slots used, {} accepts, {} payloads parked, {} polls\n", counts.slots_used,
               counts.accepts, counts.payloads_parked, counts.waits);
    // A run that did not do what it is for proves nothing.
    EXPECT_GT(links_, places_.size());
    EXPECT_GT(counts.direct_writes, 0U);
    EXPECT_GT(counts.direct_remainders, 0U);
    EXPECT_GT(counts.queued_sends, 0U);
    EXPECT_GT(soft_closes_.load(), 0U);
    EXPECT_GT(abortive_closes_.load(), 0U);
    EXPECT_GT(holds_, 0U);
    EXPECT_GT(sends_inside_, 0U);
  }

 private:
  // ---- The owner: what it hears, on the reactor's thread.

  bool take(Event&& event) {
    const std::lock_guard lock(mutex_);
    if (event.kind == EventKind::accept) accepts_[std::string(event.data.text())] = event.ud;
    if (event.kind == EventKind::open && event.id == listener_ && event.ud != 0) {
      port_ = static_cast<std::uint16_t>(event.ud);
    }
    if (event.kind == EventKind::close && event.ud == 0) ++closes_[event.id];
    if (event.kind == EventKind::data) {
      EXPECT_EQ(closes_.count(event.id), 0U) << "DATA after CLOSE";
    }
    return true;
  }

  template <typename Done>
  void await(const char* what, Done done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) {
        ADD_FAILURE() << "waited in vain for " << what;
        report();
        std::abort();  // The threads would wait for ever.
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

  void listen() {
    {
      const std::lock_guard lock(mutex_);
      listener_ = server_->listen(kOwner, "127.0.0.1", 0).value();
    }
    await("the listener", [&] {
      const std::lock_guard lock(mutex_);
      return port_ != 0;
    });
    EXPECT_TRUE(server_->start(kOwner, listener_).has_value());
  }

  std::shared_ptr<Link> connect() {
    const int fd = sys_.stream_socket(AF_INET).value();
    (void)sys_.set_option(fd, SocketOption::receive_buffer_bytes, 20'000);
    (void)sys_.connect(fd, *Endpoint::from_numeric("127.0.0.1", port_));
    SocketId id = 0;
    await("an accept", [&] {
      const Result<Endpoint> local = sys_.local_endpoint(fd);
      const std::lock_guard lock(mutex_);
      const auto found = accepts_.find(local->text());
      if (found == accepts_.end()) return false;
      id = static_cast<SocketId>(found->second);
      accepts_.erase(found);
      return true;
    });
    ++links_;
    EXPECT_TRUE(server_->start(kOwner, id).has_value());
    await("a start", [&] { return server_->state(id) != State::paccept; });
    return std::make_shared<Link>(id, fd, senders_);
  }

  // ---- Senders

  void send(std::size_t sender) {
    Prng random(mix64(seed_ + sender));
    while (!stop_) {
      const std::shared_ptr<Link> link = places_[random.below(places_.size())].get();
      if (!link) continue;
      // A few in a row: the next one finds the last one's traces.
      for (std::uint64_t more = random.below(8); more > 0; --more) {
        // Full or closed: the reactor and the peers need the processor more than we do.
        if (!send_one(*link, sender, random)) {
          std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
      }
      if (random.below(400) == 0) close(*link, CloseMode::soft);
    }
  }

  /// On the reactor's thread, between two events, as services without workers do.
  void send_inside() {
    const std::shared_ptr<Link> link = places_[random_inside_.below(places_.size())].get();
    if (stop_ || !link) return;
    for (std::uint64_t more = random_inside_.below(3); more > 0; --more) {
      if (send_one(*link, senders_ - 1, random_inside_)) ++sends_inside_;
    }
  }

  bool send_one(Link& link, std::size_t sender, Prng& random) {
    std::atomic<std::uint32_t>& accepted = link.accepted[sender];
    const std::uint64_t most = random.below(20) == 0 ? Frame::kBytesMax : 300;
    const Frame frame{.sender = static_cast<std::uint32_t>(sender),
                      .number = accepted.load(std::memory_order_relaxed),
                      .bytes = static_cast<std::uint32_t>(random.below(most))};
    Block block = frame.encoded();
    const std::size_t bytes = block.size();
    const bool foreign = random.below(2) == 0;
    const auto sent = foreign ? server_->send(link.id, std::as_const(block).bytes())
                              : server_->send(link.id, std::move(block));
    if (!sent) return false;
    accepted.store(frame.number + 1, std::memory_order_release);
    sends_.fetch_add(1, std::memory_order_relaxed);
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return true;
  }

  // ---- Everybody who interferes

  void close(Link& link, CloseMode mode) {
    const std::lock_guard lock(link.mutex);
    if (mode == CloseMode::abortive) link.aborted = true;
    if (!std::exchange(link.closed, true)) {
      for (const auto& accepted : link.accepted) {
        link.promised.push_back(accepted.load(std::memory_order_acquire));
      }
    }
    (mode == CloseMode::soft ? soft_closes_ : abortive_closes_).fetch_add(1);
    EXPECT_TRUE(server_->close(kOwner, link.id, mode, CloseAnswer::not_needed).has_value());
  }

  void disturb() {
    Prng random(mix64(seed_ - 1));
    while (!stop_) {
      const std::shared_ptr<Link> link = places_[random.below(places_.size())].get();
      if (!link) continue;
      switch (random.below(12)) {
        case 0:
          close(*link, CloseMode::soft);
          break;
        case 1:
          if (random.below(4) == 0) close(*link, CloseMode::abortive);
          break;
        case 2:
          (void)server_->set_option(link->id, ConnectionOption::send_buffer_bytes, 4'096);
          break;
        case 3:
        case 4:
        case 5:
          ++holds_;
          (void)server_->hold(kOwner, link->id);
          break;
        case 6:
          (void)server_->netstat();
          break;
        default:
          (void)server_->start(kOwner, link->id);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(random.below(400)));
    }
  }

  // ---- The peers, one thread for all.

  void read() {
    Prng random(mix64(seed_ - 2));
    std::size_t alive = places_.size();
    while (alive > 0) {
      alive = 0;
      for (Place& place : places_) {
        std::shared_ptr<Link> link = place.get();
        if (!link) continue;
        if (!visit(*link, random)) {
          retire(*link);
          place.set(stop_ ? nullptr : connect());
        }
        if (place.get()) ++alive;
      }
    }
  }

  /// Returns false when the link has ended.
  bool visit(Link& link, Prng& random) {
    const auto now = std::chrono::steady_clock::now();
    if (now < link.paused_until && !stop_) return true;
    if (random.below(300) == 0) {
      link.paused_until = now + std::chrono::microseconds(random.below(100'000));
    }
    if (random.below(200) == 0) {
      const iovec part{.iov_base = const_cast<char*>("input"), .iov_len = 5};
      (void)sys_.send(link.fd, std::span(&part, 1));
    }
    if (random.below(5'000) == 0) {
      link.aborted = true;
      ++resets_;
      (void)sys_.set_option(link.fd, SocketOption::reset_on_close, 1);
      close(link, CloseMode::soft);
      return false;
    }
    return receive(link);
  }

  bool receive(Link& link) {
    std::array<std::byte, 65'536> buffer;
    const auto got = sys_.receive(link.fd, buffer);
    if (!got) return got.error() == std::errc::resource_unavailable_try_again;
    if (*got == 0) return false;
    link.unread.insert(link.unread.end(), buffer.begin(),
                       buffer.begin() + static_cast<std::ptrdiff_t>(*got));
    cut_frames(link);
    return true;
  }

  void cut_frames(Link& link) {
    std::span<const std::byte> rest = link.unread;
    Frame frame;
    while (rest.size() >= sizeof frame) {
      std::memcpy(&frame, rest.data(), sizeof frame);
      ASSERT_LT(frame.sender, senders_) << "bytes in the middle of a message";
      if (rest.size() < sizeof frame + frame.bytes) break;
      ASSERT_EQ(frame.number, link.received[frame.sender]) << "lost, doubled or out of order";
      ++link.received[frame.sender];
      ASSERT_LE(frame.bytes, Frame::kBytesMax);
      const std::span<const std::byte> got = rest.subspan(sizeof frame, frame.bytes);
      ASSERT_EQ(std::memcmp(got.data(), frame.payload().data(), frame.bytes), 0);
      rest = rest.subspan(sizeof frame + frame.bytes);
    }
    link.unread.erase(link.unread.begin(), link.unread.end() - static_cast<long>(rest.size()));
  }

  /// The peer has seen the end of the stream.
  void retire(Link& link) {
    {
      const std::lock_guard lock(link.mutex);
      EXPECT_TRUE(link.closed) << "the server ended it by itself";
      if (!link.aborted) {
        EXPECT_TRUE(link.unread.empty()) << "a message is cut";
        for (std::size_t sender = 0; sender < senders_; ++sender) {
          EXPECT_GE(link.received[sender], link.promised[sender])
              << "sender " << sender << ": send() took it, the peer never got it";
        }
      }
    }
    sys_.close(link.fd);
  }

  void expect_baseline() {
    EXPECT_TRUE(
        server_->close(kOwner, listener_, CloseMode::soft, CloseAnswer::not_needed).has_value());
    await("the last slot", [&] { return server_->counts().slots_used == 0; });
    EXPECT_EQ(server_->counts().payloads_parked, 0U);
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(closes_.size(), links_ + 1) << "a socket without a CLOSE";
    for (const auto& [id, closes] : closes_) EXPECT_EQ(closes, 1) << id;
  }

  const std::size_t senders_;  ///< The reactor's thread is the last one.
  const std::uint64_t seed_;
  LinuxSys sys_;
  std::unique_ptr<SocketServer<LinuxSys>> server_;
  std::vector<Place> places_;
  std::atomic<bool> stop_{false};
  std::uint16_t port_ = 0;
  SocketId listener_ = 0;

  std::mutex mutex_;
  std::map<std::string, std::int64_t> accepts_;  ///< By the peer's address.
  std::map<SocketId, int> closes_;

  std::atomic<std::uint64_t> sends_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> soft_closes_{0};
  std::atomic<std::uint64_t> abortive_closes_{0};
  std::size_t links_ = 0;
  std::uint64_t resets_ = 0;
  std::uint64_t holds_ = 0;
  std::uint64_t sends_inside_ = 0;
  Prng random_inside_{mix64(seed_ - 3)};
};

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(DirectWriteStress, LV20_NothingIsLostDoubledOrReorderedWhateverOthersDo) {
  const std::size_t descriptors = open_descriptors();
  const auto seed = setting("SKYSOCK_STRESS_SEED", 1);
  fmt::print("seed {}\n", seed);
  {
    Stress stress(setting("SKYSOCK_STRESS_SENDERS", 4), setting("SKYSOCK_STRESS_SOCKETS", 64),
                  seed);
    stress.run(std::chrono::seconds(setting("SKYSOCK_STRESS_SECONDS", 2)));
    stress.report();
  }
  EXPECT_EQ(open_descriptors(), descriptors);
}

}  // namespace
}  // namespace skysock
