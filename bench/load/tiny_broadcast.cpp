#include <array>
#include <map>
#include <span>

#include "bench/load/tiny_loop.hpp"
#include "bench/load/tiny_modes.hpp"

namespace skysock::load {
namespace {

class Broadcast {
 public:
  explicit Broadcast(const TinyModeOptions& options) : options_(options) {}

  /// False when the connection is over.
  bool serve(int fd) {
    std::array<std::byte, 65'536> buffer;  // NOLINT: only what recv wrote is read.
    const ssize_t count = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count <= 0) {
      roles_.erase(fd);
      return false;
    }
    auto bytes = std::span(buffer).first(static_cast<std::size_t>(count));
    if (!roles_.contains(fd)) {
      roles_[fd] = static_cast<char>(bytes.front());
      greet(fd, bytes.front());
      bytes = bytes.subspan(1);
    }
    if (roles_[fd] == 'p' && !bytes.empty()) send_to_all(fd, bytes);
    return true;
  }

 private:
  static void send_bytes(int fd, std::span<const std::byte> bytes) {
    send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  void greet(int fd, std::byte letter) {
    if (options_.flaw == ModeFlaw::silent) return;
    if (letter == std::byte{'a'}) {
      // The accept probes have their own flaws: a probe is flawed when no copy is to be.
      const bool flawed = options_.flaw_at == kProbesOnly;
      if (flawed && options_.flaw == ModeFlaw::drop) return;
      if (flawed && options_.flaw == ModeFlaw::flip_byte) letter = std::byte{'b'};
      if (flawed && options_.flaw == ModeFlaw::close_early) shutdown(fd, SHUT_WR);
      if (flawed && options_.flaw == ModeFlaw::extra_byte) {
        return send_bytes(fd, std::array{letter, letter});
      }
    }
    send_bytes(fd, std::span(&letter, 1));
  }

  void send_to_all(int publisher, std::span<std::byte> bytes) {
    for (const auto& [fd, role] : roles_) {
      if (role != 's') continue;
      const bool flawed = is_flawed(options_, ++copies_);
      if (flawed) {
        misbehave(publisher, fd, bytes);
      } else {
        send_bytes(fd, bytes);
      }
    }
  }

  void misbehave(int publisher, int fd, std::span<std::byte> bytes) {
    switch (options_.flaw) {
      case ModeFlaw::flip_byte:
        bytes.back() ^= std::byte{0x10};
        send_bytes(fd, bytes);
        bytes.back() ^= std::byte{0x10};
        return;
      case ModeFlaw::cut:
        return send_bytes(fd, bytes.first(bytes.size() - 1));
      case ModeFlaw::twice:
        send_bytes(fd, bytes);
        return send_bytes(fd, bytes);
      case ModeFlaw::misdeliver:
        send_bytes(fd, bytes);
        return send_bytes(publisher, bytes);
      case ModeFlaw::close_early:
        shutdown(fd, SHUT_WR);
        return;
      default:
        return;  // The copy is dropped.
    }
  }

  static constexpr std::uint64_t kProbesOnly = 0;

  TinyModeOptions options_;
  std::map<int, char> roles_;  ///< By the first byte of each connection.
  std::uint64_t copies_ = 0;
};

}  // namespace

void serve_tiny_broadcast(int listener, int stop, const TinyModeOptions& options) {
  Broadcast broadcast(options);
  serve_connections(listener, stop, POLLIN,
                    [&](int fd, short /*events*/) { return broadcast.serve(fd); });
}

}  // namespace skysock::load
