// Connections made on io_uring: connect, send and receive of one are a chain, submitted at once and
// reported once, when all is done or something has failed.

#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>

#include <array>
#include <string>
#include <unordered_map>
#include <utility>

#include "bench/peers/server_modes.hpp"
#include "bench/peers/uring_ring.hpp"
#include "core/base/connect_order.hpp"

namespace skysock::bench {
namespace {

using load::Outcome;

enum class Operation : std::uint8_t {
  stop,
  accept,
  receive,  ///< Of a control connection, as `reply`.
  reply,
  make,   ///< The socket of a connection that is made,
  chain,  ///< and what follows.
  cancel,
  close,
};

/// `of`: the place of a control connection in the table of files, or the number of one made.
std::uint64_t tag(Operation operation, std::uint64_t of) {
  return of << 8U | std::to_underlying(operation);
}

/// A client with more replies than this unread is cut off.
constexpr std::size_t kRepliesMax = 65'536;

struct Control {
  bool receiving = false;
  bool replying = false;
  bool over = false;  ///< Closed when nothing is under way.
  ConnectSession session;
  std::string reply;  ///< Being sent,
  std::string later;  ///< and what follows.
  std::array<std::byte, 4'096> input{};
};

struct Made {
  Control* control = nullptr;  ///< nullptr: given up.
  unsigned control_slot = 0;
  int slot = -1;  ///< -1: it has no socket yet.
  sockaddr_in to{};
  // One byte and the end: with room for two, a receive of all ends with the peer's FIN.
  std::array<std::byte, 2> answer{};
};

class Server {
 public:
  explicit Server(int listener) : listener_(listener) {}

  Outcome<void> run(int stop) {
    if (auto opened = ring_.open(); !opened) return opened;
    io_uring_prep_poll_add(&ring_.submission(tag(Operation::stop, 0)), stop, POLLIN);
    ring_.accept(tag(Operation::accept, 0), listener_);
    while (!stopped_) {
      auto done = ring_.wait([this](const io_uring_cqe& one) { return complete(one); });
      if (!done) return done;
    }
    return {};
  }

 private:
  Outcome<void> complete(const io_uring_cqe& completion) {
    const std::uint64_t of = completion.user_data >> 8U;
    switch (static_cast<Operation>(completion.user_data & 0xffU)) {
      case Operation::stop:
        stopped_ = true;
        return {};
      case Operation::accept:
        return accepted(completion);
      case Operation::receive:
        received(static_cast<unsigned>(of), completion.res);
        return {};
      case Operation::reply:
        replied(static_cast<unsigned>(of), completion.res);
        return {};
      case Operation::make:
        made(of, completion.res);
        return {};
      case Operation::chain:
        ended(of, completion.res);
        return {};
      case Operation::cancel:
        return {};  // It had ended already.
      case Operation::close:
        return uring_failed("close", -completion.res);  // A success is not reported.
    }
    return {};
  }

  Outcome<void> accepted(const io_uring_cqe& completion) {
    const auto slot = ring_.accepted(completion, listener_);
    if (!slot) return std::unexpected(slot.error());
    if (*slot) proceed(**slot);
    return {};
  }

  void received(unsigned slot, int result) {
    Control& control = controls_[slot];
    control.receiving = false;
    if (result > 0 && !control.over) {
      control.session.feed(std::span(control.input).first(static_cast<std::size_t>(result)));
    } else {
      end(slot);
    }
    proceed(slot);
  }

  void replied(unsigned slot, int result) {
    Control& control = controls_[slot];
    control.replying = false;
    if (result != std::ssize(control.reply)) end(slot);
    proceed(slot);
  }

  void end(unsigned slot) {
    Control& control = controls_[slot];
    if (std::exchange(control.over, true)) return;
    give_up(control);
    if (control.receiving || control.replying) ring_.cancel_all(tag(Operation::cancel, slot), slot);
  }

  void give_up(const Control& control) {
    for (auto& [number, one] : made_) {
      if (one.control != &control) continue;
      one.control = nullptr;
      if (one.slot >= 0) {
        ring_.cancel_all(tag(Operation::cancel, 0), static_cast<unsigned>(one.slot));
      }
    }
  }

  /// What a control connection does next.
  void proceed(unsigned slot) {
    Control& control = controls_[slot];
    if (control.over) {
      if (control.receiving || control.replying) return;
      controls_.erase(slot);
      return ring_.close(tag(Operation::close, slot), slot);
    }
    while (control.session.begin()) make(slot, control);
    control.later += control.session.take_replies();
    if (control.later.size() > kRepliesMax) return end(slot);
    if (!control.replying && !control.later.empty()) {
      control.reply = std::exchange(control.later, {});
      control.replying = true;
      ring_.send(tag(Operation::reply, slot), slot, std::as_bytes(std::span(control.reply)),
                 MSG_WAITALL);
    }
    if (!control.receiving) {
      control.receiving = true;
      io_uring_sqe& entry = ring_.submission(tag(Operation::receive, slot));
      io_uring_prep_recv(&entry, static_cast<int>(slot), control.input.data(), control.input.size(),
                         0);
      entry.flags |= IOSQE_FIXED_FILE;
    }
  }

  void make(unsigned slot, Control& control) {
    const std::uint64_t number = next_++;
    made_[number] = {
        .control = &control, .control_slot = slot, .to = control.session.order().address()};
    io_uring_prep_socket_direct_alloc(&ring_.submission(tag(Operation::make, number)), AF_INET,
                                      SOCK_STREAM, 0, 0);
  }

  void made(std::uint64_t number, int result) {
    Made& one = made_.at(number);
    if (result < 0 || one.control == nullptr) {
      if (result >= 0) ring_.close(tag(Operation::close, 0), static_cast<unsigned>(result));
      return report(number, result < 0 ? load::errno_text(-result) : "");
    }
    one.slot = result;
    ring_.make_room(3);
    io_uring_prep_connect(&link(number), result, reinterpret_cast<const sockaddr*>(&one.to),
                          sizeof one.to);
    finish_link(false);
    io_uring_prep_send(&link(number), result, &kConnectByte, 1, MSG_NOSIGNAL);
    finish_link(false);
    io_uring_prep_recv(&link(number), result, one.answer.data(), one.answer.size(), MSG_WAITALL);
    finish_link(true);
  }

  io_uring_sqe& link(std::uint64_t number) {
    last_ = &ring_.submission(tag(Operation::chain, number));
    return *last_;
  }

  /// One that fails is reported and the rest of the chain is not; the last one always is.
  void finish_link(bool last) const {
    last_->flags |= IOSQE_FIXED_FILE;
    if (!last) last_->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
  }

  void ended(std::uint64_t number, int result) {
    const Made& one = made_.at(number);
    ring_.close(tag(Operation::close, 0), static_cast<unsigned>(one.slot));
    if (result < 0) return report(number, load::errno_text(-result));
    ConnectAnswer answer;
    const auto bytes = std::span(one.answer).first(static_cast<std::size_t>(result));
    const auto wrong = answer.feed(bytes);
    report(number, std::string(wrong.empty() ? answer.end() : wrong));
  }

  /// One is closed, well if there is no `problem`.
  void report(std::uint64_t number, const std::string& problem) {
    const Made one = made_.extract(number).mapped();
    if (one.control == nullptr) return;
    if (problem.empty()) {
      one.control->session.closed();
    } else {
      one.control->session.fail(problem);
      give_up(*one.control);
    }
    proceed(one.control_slot);
  }

  int listener_;
  bool stopped_ = false;
  std::unordered_map<unsigned, Control> controls_;  ///< By place in the table of files.
  std::unordered_map<std::uint64_t, Made> made_;
  std::uint64_t next_ = 0;
  io_uring_sqe* last_ = nullptr;
  UringRing ring_;  ///< Ends first: until then the kernel may use what is above.
};

}  // namespace

Outcome<void> serve_uring_connect(int listener, int stop) { return Server(listener).run(stop); }

}  // namespace skysock::bench
