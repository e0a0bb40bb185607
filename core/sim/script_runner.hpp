#pragma once

// Carries out scripts on any kernel and says in words what came of each step.

#include <sys/epoll.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/sim/conformance.hpp"
#include "core/sim/kernel_script.hpp"

namespace skysock::conformance {

/// What a wait reported: events by place.
using Reported = std::map<std::uint8_t, std::uint32_t>;

/// Outcome of one step.
struct Outcome {
  std::string text;           ///< But for a wait.
  Reported reported;          ///< By a wait.
  std::string bytes;          ///< That were read.
  bool may_be_early = false;  ///< Another kernel may need a moment until it says the same.

  bool operator==(const Outcome& other) const {
    return text == other.text && reported == other.reported && bytes == other.bytes;
  }
};

/// "aab" as "a2b1": which steps' bytes they are.
inline std::string runs_of(const std::string& bytes) {
  std::string runs;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = std::min(bytes.find_first_not_of(bytes[at], at), bytes.size());
    runs += bytes[at] + std::to_string(end - at);
    at = end;
  }
  return runs;
}

inline std::string text_of(const Outcome& outcome) {
  std::string text = outcome.text + runs_of(outcome.bytes);
  for (const auto& [place, events] : outcome.reported) {
    text += (text.empty() ? "" : ", ") + std::to_string(place) + ": " + names_of(events);
  }
  return text.empty() ? "nothing" : text;
}

/// One script's world on one kernel. Every descriptor it made is closed at the end.
template <typename Sys>
class ScriptRunner {
 public:
  ScriptRunner() : set_(sys_.epoll_create().value()) {}
  ScriptRunner(const ScriptRunner&) = delete;
  ScriptRunner& operator=(const ScriptRunner&) = delete;
  ~ScriptRunner() {
    for (Place& place : places_) close(place);
    sys_.close(set_);
  }

  Outcome run(const ScriptStep& step) {
    Outcome outcome = carry_out(step);
    if constexpr (requires { sys_.step(); }) sys_.step();
    return outcome;
  }

  /// The same step again, when its first outcome may have been early: what was read, and what edges
  /// and one-shots reported before, still counts.
  Outcome again(ScriptStep step, const Outcome& before) {
    step.amount -= static_cast<std::uint32_t>(before.bytes.size());
    Outcome outcome = run(step);
    if (!before.bytes.empty()) {
      outcome.text = before.text;
      outcome.bytes = before.bytes + outcome.bytes;
    }
    for (const auto& [place, events] : before.reported) {
      if (places_[place].told_once) outcome.reported[place] |= events;
    }
    return outcome;
  }

 private:
  /// Bytes that a sender sent and its peer received, so that both can be compared.
  struct Place {
    int fd = -1;
    bool socket = false;
    bool counter = false;              ///< An eventfd.
    bool told_once = false;            ///< Watched with edges or once.
    std::optional<Endpoint> listened;  ///< Where it listens or listened.
    std::string local;                 ///< Of a socket that connected.
    std::optional<std::uint8_t> peer;
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::shared_ptr<std::size_t> in_pipe;
  };

  static constexpr std::size_t kPipeBytesMax = 32'768;
  static constexpr std::size_t kChunkBytes = 65'536;

  Outcome carry_out(const ScriptStep& step) {
    ++steps_;
    Place& place = places_[step.place];
    Place& other = places_[step.other];
    switch (step.verb) {
      case Verb::listen:
        return {.text = listen(place)};
      case Verb::connect:
        return {.text = connect(place, other)};
      case Verb::accept:
        return accept(step.place, step.other);
      case Verb::pipe:
        return {.text = make_pipe(place, other)};
      case Verb::event:
        close(place);
        place.fd = sys_.make_event().value();
        place.counter = true;
        return {.text = "ok"};
      case Verb::wait:
        return wait();
      default:
        if (place.fd < 0) return {.text = "closed"};
        return use(step, place);
    }
  }

  Outcome use(const ScriptStep& step, Place& place) {
    switch (step.verb) {
      case Verb::send:
        return {.text = send(place, step.amount)};
      case Verb::receive:
      case Verb::read:
        return take(place, step.amount, step.verb == Verb::receive);
      case Verb::write:
        return {.text = write(place, step.amount)};
      case Verb::fill:
        return {.text = fill(place)};
      case Verb::drain:
        return {.text = drain(place)};
      case Verb::shutdown:
        return {.text = outcome(sys_.shutdown_write(place.fd))};
      case Verb::error: {
        const auto error = sys_.take_socket_error(place.fd);
        if (!error) return {.text = name_of(error.error())};
        return {.text = *error == 0 ? "none" : name_of(errno_code(*error))};
      }
      case Verb::signal:
        sys_.signal_event(place.fd);
        return {.text = "ok"};
      case Verb::reset:
        [[fallthrough]];
      case Verb::close:
        if (step.verb == Verb::reset && place.socket) [[maybe_unused]]
          const auto set = sys_.set_option(place.fd, SocketOption::reset_on_close, 1);
        close(place);
        return {.text = "ok"};
      default:
        return {.text = change_watch(step, place)};
    }
  }

  void close(Place& place) {
    if (place.fd >= 0) sys_.close(place.fd);
    if (place.peer) places_[*place.peer].peer.reset();
    const auto listened = place.listened;
    place = {};
    place.listened = listened;
  }

  std::string listen(Place& place) {
    close(place);
    place.fd = sys_.stream_socket(AF_INET).value();
    place.socket = true;
    const auto bound = sys_.bind(place.fd, *Endpoint::from_numeric("127.0.0.1", 0));
    if (!bound) return outcome(bound);
    const auto listening = sys_.listen(place.fd, 16);
    place.listened = sys_.local_endpoint(place.fd).value();
    return outcome(listening);
  }

  std::string connect(Place& place, const Place& to) {
    close(place);
    if (!to.listened) return "nowhere";
    place.fd = sys_.stream_socket(AF_INET).value();
    place.socket = true;
    place.listened.reset();
    const auto connected = sys_.connect(place.fd, *to.listened);
    const auto local = sys_.local_endpoint(place.fd);
    if (local) place.local = local->text();
    return outcome(connected);
  }

  Outcome accept(std::uint8_t place, std::uint8_t from) {
    if (places_[from].fd < 0 || place == from) return {.text = "closed"};
    const auto accepted = sys_.accept(places_[from].fd);
    if (!accepted) return {.text = outcome(accepted), .may_be_early = true};
    Place& made = places_[place];
    close(made);
    made = {};
    made.fd = accepted->fd;
    made.socket = true;
    for (std::uint8_t client = 0; client < kPlaces; ++client) {
      if (client == place || places_[client].local != accepted->peer.text()) continue;
      made.peer = client;
      places_[client].peer = place;
    }
    return {.text = "ok"};
  }

  std::string make_pipe(Place& reader, Place& writer) {
    close(reader);
    close(writer);
    const PipeEnds ends = sys_.make_pipe().value();
    reader.fd = ends.read_fd;
    writer.fd = ends.write_fd;
    reader.in_pipe = writer.in_pipe = std::make_shared<std::size_t>(0);
    return "ok";
  }

  /// Its bytes say which step sent them.
  std::string payload(std::size_t bytes) const {
    return std::string(bytes, static_cast<char>('a' + steps_ % 26));
  }

  std::string send(Place& place, std::size_t bytes) {
    std::string text = payload(bytes);
    const iovec part{.iov_base = text.data(), .iov_len = text.size()};
    const auto sent = sys_.send(place.fd, {&part, 1});
    if (!sent) return outcome(sent);
    place.sent += *sent;
    return *sent == bytes ? "ok" : "cut";
  }

  std::string write(Place& place, std::size_t bytes) {
    // Whether more than 8 bytes are taken depends on the kernel's version.
    if (place.counter) return "no write";
    if (place.in_pipe && *place.in_pipe + bytes > kPipeBytesMax) return "no room";
    const auto written = sys_.write(place.fd, bytes_of(payload(bytes)));
    if (!written) return outcome(written);
    if (place.in_pipe) *place.in_pipe += *written;
    place.sent += *written;
    return *written == bytes ? "ok" : "cut";
  }

  Outcome take(Place& place, std::size_t bytes, bool receives) {
    std::string text(bytes, '\0');
    const auto room = std::as_writable_bytes(std::span(text));
    const auto got = receives ? sys_.receive(place.fd, room) : sys_.read(place.fd, room);
    if (!got) return {.text = outcome(got), .may_be_early = true};
    if (*got == 0) return {.text = "(end)"};
    place.received += *got;
    if (place.in_pipe) *place.in_pipe -= *got;
    text.resize(*got);
    return {.text = "bytes ", .bytes = text, .may_be_early = *got < bytes};
  }

  /// Sends until the kernel takes no more, then lets the peer read it all: how much that is differs
  /// between kernels, so nothing of it may stay.
  std::string fill(Place& place) {
    if (!place.peer) return "no peer";
    Place& peer = places_[*place.peer];
    std::string chunk(kChunkBytes, 'x');
    const iovec part{.iov_base = chunk.data(), .iov_len = chunk.size()};
    std::error_code error;
    // What is on its way arrives meanwhile, and makes room again.
    const bool full = eventually(sys_, [&] {
      for (error.clear(); !error;) {
        const auto sent = sys_.send(place.fd, {&part, 1});
        if (sent) place.sent += *sent;
        if (!sent) error = sent.error();
      }
      return error != std::errc::resource_unavailable_try_again ||
             (ready_now(place.fd) & EPOLLOUT) == 0;
    });
    if (error != std::errc::resource_unavailable_try_again)
      return name_of(error) + ", " + drain(peer);
    const bool all = eventually(sys_, [&] {
      drain(peer);
      return peer.received == place.sent;
    });
    const bool writable = eventually(sys_, [&] { return (ready_now(place.fd) & EPOLLOUT) != 0; });
    return std::string(full ? "full" : "writable") + (all ? ", all arrived" : ", bytes were lost") +
           (writable ? ", writable again" : ", still full");
  }

  std::uint32_t ready_now(int fd) {
    const int set = sys_.epoll_create().value();
    [[maybe_unused]] const auto added = sys_.epoll_add(set, fd, EPOLLIN | EPOLLOUT, 0);
    epoll_event event{};
    const auto count = sys_.epoll_wait(set, {&event, 1}, 0);
    sys_.close(set);
    return count.value_or(0) == 1 ? event.events : 0;
  }

  /// Reads until there is nothing and nothing is on its way; says what follows.
  std::string drain(Place& place) {
    buffer_.resize(kChunkBytes);
    const std::int64_t until_ms = sys_.now_ms() + 100;
    for (;;) {
      const auto got = sys_.receive(place.fd, std::as_writable_bytes(std::span(buffer_)));
      const bool more = place.peer && places_[*place.peer].sent > place.received;
      if (!got && more && got.error() == std::errc::resource_unavailable_try_again &&
          sys_.now_ms() < until_ms) {
        Traits<Sys>::pass_time(sys_);
        continue;
      }
      if (!got) return "drained, " + outcome(got);
      if (*got == 0) return "drained, (end)";
      place.received += *got;
    }
  }

  std::string change_watch(const ScriptStep& step, Place& place) {
    if (step.verb == Verb::unwatch) return outcome(sys_.epoll_remove(set_, place.fd));
    const auto changed = step.verb == Verb::watch
                             ? sys_.epoll_add(set_, place.fd, step.amount, step.place)
                             : sys_.epoll_modify(set_, place.fd, step.amount, step.place);
    if (changed) place.told_once = (step.amount & (EPOLLET | EPOLLONESHOT)) != 0;
    return outcome(changed);
  }

  Outcome wait() {
    std::array<epoll_event, kPlaces> events{};
    const auto count = sys_.epoll_wait(set_, events, 0);
    Outcome outcome{.may_be_early = true};
    for (std::size_t at = 0; count && at < *count; ++at) {
      outcome.reported[static_cast<std::uint8_t>(events[at].data.u64)] |= events[at].events;
    }
    return outcome;
  }

  Sys sys_;
  int set_;
  std::array<Place, kPlaces> places_;
  std::vector<char> buffer_;
  std::uint32_t steps_ = 0;
};

}  // namespace skysock::conformance
