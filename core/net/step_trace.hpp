#pragma once

// A file of every step that the rule machine took, from which a failure can be read back.
//
// Format, little-endian, version 1. A header of 16 bytes: "skytrace"; u32 version; u32 fingerprint
// of the rule table, so that no step is read with other rules than it was taken by. Then 24 bytes
// for each step:
//
//   offset  0  i64  now_ms: the reactor's monotonic clock
//           8  i32  id
//          12  u32  owner (after the rule moved ownership, if it did)
//          16  5 x u8  from, input, to, emit, act: numbers of the enums in connection_state.hpp
//          21  u24  check of the 21 bytes above and of the step's number in the file, so that
//                   changed, lost and doubled steps are noticed
//
// The file ends after a whole step, whatever ended the process: steps are written together.

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/base/result.hpp"
#include "core/net/step_observer.hpp"

namespace skysock {

inline constexpr std::size_t kTraceHeaderBytes = 16;
inline constexpr std::size_t kTraceStepBytes = 24;

/// Writes a trace. Reactor thread only, but for making and destroying it.
///
/// What a failing disk takes no more of, or a slow pipe not at once, ends the trace: the file is
/// cut after the last whole step, the owner hears of it once, and the reactor goes on.
class StepTrace {
 public:
  /// Makes or empties the file. `on_failure`: called at most once, with the reason.
  /// Errors: of open(2) and of writing the header.
  static Result<std::unique_ptr<StepTrace>> open(const std::string& path,
                                                 std::function<void(std::error_code)> on_failure);

  /// Writes what is buffered.
  ~StepTrace();
  StepTrace(const StepTrace&) = delete;
  StepTrace& operator=(const StepTrace&) = delete;

  /// For SocketServer::observe(). Cost of a step: a copy of 24 bytes; a write(2) when the buffer is
  /// full. No allocation.
  StepObserver observer();

  /// Writes what is buffered; call it after every batch. Cost: nothing when there was no step.
  void flush();

 private:
  static constexpr std::size_t kBufferSteps = 2'048;

  StepTrace(int fd, std::function<void(std::error_code)> on_failure);
  void add(const Step& step);
  bool write_all(std::span<const std::byte> bytes);
  void fail(std::error_code error);

  int fd_;  ///< -1 once the trace has ended.
  std::function<void(std::error_code)> on_failure_;
  std::uint64_t steps_ = 0;          ///< Added so far.
  std::uint64_t written_steps_ = 0;  ///< In the file.
  std::array<std::byte, kBufferSteps * kTraceStepBytes> buffer_;
};

/// A step as read back; `rule` is the table's.
struct TracedStep {
  std::int64_t now_ms = 0;
  SocketId id = 0;
  ServiceHandle owner = 0;
  const Rule* rule = nullptr;
};

/// Calls `visit` for every step in `path`, in order, and returns how many there were. Errors: a
/// sentence that names the file, the offset and what was expected there; the steps before it were
/// visited. Cost: a buffer, whatever the file's size.
std::expected<std::uint64_t, std::string> read_step_trace(
    const std::string& path, const std::function<void(const TracedStep&)>& visit);

/// One line, without its end: time since `start_ms`, id, owner, rule.
std::string step_text(const TracedStep& step, std::int64_t start_ms);

}  // namespace skysock
