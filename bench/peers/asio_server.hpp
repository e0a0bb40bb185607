#pragma once

// What the Asio servers share: a context, an acceptor, and an end.

#include <fcntl.h>
#include <fmt/format.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <utility>

#include "bench/load/outcome.hpp"

namespace skysock::bench {

inline std::unexpected<std::string> asio_failed(const std::error_code& code) {
  return std::unexpected(fmt::format("raw_asio: {}", code.message()));
}

/// Asio closes what it is given.
inline int copy_of(int fd) { return ::fcntl(fd, F_DUPFD_CLOEXEC, 0); }

class AsioLoop {
 public:
  asio::io_context& context() { return context_; }

  /// Runs handlers until `stop` is readable.
  load::Outcome<void> run(int stop) {
    std::error_code failed;
    stop_.assign(copy_of(stop), failed);
    if (failed) return asio_failed(failed);
    stop_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [this](const std::error_code&) { context_.stop(); });
    context_.run();
    return {};
  }

  /// The same with `begin(socket)` for every connection of `listener`, non-blocking.
  template <typename Begin>
  load::Outcome<void> run(int listener, int stop, Begin&& begin) {
    std::error_code failed;
    acceptor_.assign(asio::ip::tcp::v4(), copy_of(listener), failed);
    if (failed) return asio_failed(failed);
    accept(begin);
    return run(stop);
  }

 private:
  template <typename Begin>
  void accept(Begin& begin) {
    acceptor_.async_accept(
        [this, &begin](const std::error_code& failed, asio::ip::tcp::socket socket) {
          std::error_code ignored;
          if (!failed) {
            socket.non_blocking(true, ignored);
            begin(std::move(socket));
          }
          accept(begin);
        });
  }

  asio::io_context context_{1};
  asio::ip::tcp::acceptor acceptor_{context_};
  asio::posix::stream_descriptor stop_{context_};
};

}  // namespace skysock::bench
