#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/sim/objects.hpp"

namespace skysock {

/// The end of a pipe that a test keeps, while the code under test borrows the other. Outside the
/// system calls, as SimPeer. Dropping it closes it.
class SimPipeEnd {
 public:
  enum class Side : std::uint8_t { read, write };

  SimPipeEnd(std::shared_ptr<Pipe> pipe, Side side) : pipe_(std::move(pipe)), side_(side) {}
  SimPipeEnd(SimPipeEnd&&) = default;
  SimPipeEnd& operator=(SimPipeEnd&&) = delete;
  ~SimPipeEnd() { close(); }

  /// Returns how many bytes had room. Requires: the write side, as read() the read side; not
  /// closed.
  std::size_t write(std::string_view text);
  /// Takes what is there, at most `bytes_max`.
  std::string read(std::size_t bytes_max = SIZE_MAX);
  /// The code under test closed its end.
  [[nodiscard]] bool is_alone() const;
  void close();

 private:
  std::shared_ptr<Pipe> pipe_;  ///< Null when closed.
  Side side_;
};

}  // namespace skysock
