#include "core/sim/sim_peer.hpp"

#include <algorithm>
#include <array>

#include "core/base/check.hpp"

namespace skysock {

TcpEnd& SimPeer::end() const {
  SKYSOCK_CHECK(end_ != nullptr);
  return *end_;
}

std::size_t SimPeer::send(std::string_view bytes) {
  const iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  return end().send({&part, 1}).value_or(0);
}

std::string SimPeer::read(std::size_t bytes_max) {
  std::string all;
  std::array<char, 4096> piece;
  while (all.size() < bytes_max) {
    const std::size_t most = std::min(piece.size(), bytes_max - all.size());
    const auto got = end().read(std::as_writable_bytes(std::span(piece).first(most)));
    if (!got || *got == 0) break;
    all.append(piece.data(), *got);
  }
  return all;
}

void SimPeer::shutdown_write() {
  // Not connected any more: then there is nobody to tell.
  [[maybe_unused]] const auto ignored = end().shutdown_write();
}

void SimPeer::reset() {
  end().abort();
  end_.reset();
}

}  // namespace skysock
