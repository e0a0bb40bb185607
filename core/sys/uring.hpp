#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/base/result.hpp"
#include "core/sys/endpoint.hpp"

namespace skysock {

/// What a ring tells of one of its requests.
struct UringCompletion {
  std::uint64_t user = 0;    ///< What the request was given.
  std::int32_t result = 0;   ///< As the system call's, or a negative errno.
  bool more = false;         ///< The request goes on: this was not its last completion.
  bool has_buffer = false;   ///< A lent buffer comes back:
  std::uint16_t buffer = 0;  ///< this one.
};

/// A ring of requests to the kernel, see io_uring(7). Made by any thread, used by the one that
/// called enable(). Requests are prepared, and begin with the next enter(). A request that could
/// not be prepared (`false`, nothing) found the ring full and the kernel unwilling to empty it.
///
/// A send is tried once, when it begins: it has no completion when it took everything, and one with
/// its result otherwise, which is there as soon as enter() has returned.
template <typename R>
concept UringOf =
    std::movable<R> && requires(R ring, int fd, std::uint64_t user, std::uint32_t position,
                                std::span<const std::byte> from, std::span<std::byte> lent,
                                std::uint16_t buffer, void (*each)(const UringCompletion&)) {
      // `buffer`: buffers that may be lent at most, a power of two.
      { R::create(buffer) } -> std::same_as<Result<R>>;
      { ring.enable() } -> std::same_as<Result<void>>;

      // Goes on until it fails or is cancelled; descriptors are non-blocking and close-on-exec.
      { ring.accept(fd, user) } -> std::same_as<bool>;
      // Goes on until the stream's end, an error (ENOBUFS: no lent buffer was left) or its cancel.
      { ring.receive(fd, user) } -> std::same_as<bool>;
      // Once, when `fd` is readable or was.
      { ring.poll(fd, user) } -> std::same_as<bool>;
      // Ends every request that was given this `user`; only a failure has a completion.
      { ring.cancel(user, user) } -> std::same_as<bool>;
      // `from` must live until it has begun. The answer is its place in the ring.
      { ring.send(fd, from, user) } -> std::same_as<std::optional<std::uint32_t>>;
      { ring.has_begun(position) } -> std::same_as<bool>;
      // Requires: !has_begun(position). It never begins.
      { ring.withdraw(position) } -> std::same_as<void>;

      // Begins what was prepared and waits for a completion. `fd`: ms, -1 = no limit. A wait that
      // ends early or in vain is no error.
      { ring.enter(fd) } -> std::same_as<Result<void>>;
      // Calls it for every completion that is there; none is lost, however many there are.
      { ring.take(each) } -> std::same_as<void>;
      // Cancels all requests: the next enter()s end them.
      { ring.cancel_all() } -> std::same_as<Result<void>>;
      // shutdown(2), both ways: FIN leaves, a listener's port is free.
      { ring.disconnect(fd) } -> std::same_as<void>;

      // Memory that receives may use, until it comes back with a completion.
      { ring.lend(buffer, lent) } -> std::same_as<void>;

      // The peer of a connection that accept() gave, even if that has been reset since.
      { ring.peer_of(fd) } -> std::same_as<Endpoint>;
    };

/// Of a kernel that has none.
struct NoUring {
  static Result<NoUring> create(std::uint16_t) {
    return failure(std::errc::function_not_supported);
  }
};

}  // namespace skysock
