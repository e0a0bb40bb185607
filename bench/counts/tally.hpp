#pragma once

// What the counted program counts while a scenario runs: system calls and allocations, by who makes
// them. Counting costs a few instructions, the same in every build; no other program has them.

#include <array>
#include <cstddef>
#include <cstdint>

namespace skysock::bench::counts {

/// Who is at work on a thread. Only what a server or a client does is counted.
enum class Side : std::uint8_t { none, server, client };
inline constexpr std::size_t kSideCount = 3;

/// Numbers of system calls are below this.
inline constexpr std::size_t kCallNumberMax = 512;

struct Tally {
  std::array<std::uint64_t, kCallNumberMax> calls{};  ///< By number.
  std::uint64_t allocations = 0;                      ///< Successful or not; realloc is one.
  std::uint64_t allocated_bytes = 0;                  ///< As asked for.
};

/// Invariant: only the thread whose turn it is has another side than none, so that the tallies
/// that are read belong to one thread at a time.
inline constinit std::array<Tally, kSideCount> tallies{};
inline constinit thread_local Side side = Side::none;

inline void count_call(long number) {
  if (side == Side::none) return;
  ++tallies[static_cast<std::size_t>(side)].calls[static_cast<std::size_t>(number)];
}

inline void count_allocation(std::size_t bytes) {
  if (side == Side::none) return;
  Tally& tally = tallies[static_cast<std::size_t>(side)];
  ++tally.allocations;
  tally.allocated_bytes += bytes;
}

/// From here on this thread does the server's work; callgrind collects nothing else.
void enter_server();
void leave_server();

/// Makes this thread the client's for the life of the object.
class ClientTurn {
 public:
  ClientTurn() { side = Side::client; }
  ~ClientTurn() { side = Side::none; }
  ClientTurn(const ClientTurn&) = delete;
  ClientTurn& operator=(const ClientTurn&) = delete;
};

/// Makes this thread the server's for the life of the object, if `counted`: for calls that a
/// service makes outside of the reactor.
class ServerTurn {
 public:
  explicit ServerTurn(bool counted) : counted_(counted) {
    if (counted_) enter_server();
  }
  ~ServerTurn() {
    if (counted_) leave_server();
  }
  ServerTurn(const ServerTurn&) = delete;
  ServerTurn& operator=(const ServerTurn&) = delete;

 private:
  bool counted_;
};

}  // namespace skysock::bench::counts
