#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>

#include "core/net/event.hpp"
#include "core/net/step_observer.hpp"

namespace skysock::fuzz {

/// Holds the steps of the rule machine against the table, against each other and against the
/// events: every step is a rule, the steps of an id form a chain, and what a rule tells the owner
/// is told at once, to the owner. A broken rule fails a CHECK.
class StepOracle {
 public:
  /// `issued`: the id exists.
  void take(const Step& step, bool issued);
  /// Returns whether a step had announced the event.
  bool take(const Event& event, bool refused);

  /// Of the last step; free when there was none.
  [[nodiscard]] State state(SocketId id) const;
  [[nodiscard]] ServiceHandle owner(SocketId id) const;
  /// Ids that are not free, as far as steps say.
  [[nodiscard]] std::size_t alive() const;
  [[nodiscard]] std::uint64_t steps(Input input) const {
    return steps_[static_cast<std::size_t>(input)];
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  /// Emissions that no event has followed yet. 0 between two polls.
  [[nodiscard]] std::size_t due() const { return due_.size(); }

 private:
  struct Last {
    State state = State::free;
    ServiceHandle owner = 0;
  };
  struct Due {
    EventKind kind;
    SocketId id;
    ServiceHandle to;  ///< 0: a requester.
  };

  void announce(const Step& step);

  std::map<SocketId, Last> last_;
  std::deque<Due> due_;
  std::array<std::uint64_t, kInputCount> steps_{};
  std::uint64_t total_ = 0;
};

}  // namespace skysock::fuzz
