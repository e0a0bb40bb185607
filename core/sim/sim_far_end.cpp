#include "core/sim/sim_far_end.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace skysock {

std::size_t SimPipeEnd::write(std::string_view text) {
  SKYSOCK_CHECK(pipe_ && side_ == Side::write);
  return pipe_->write(std::as_bytes(std::span(text.data(), text.size()))).value_or(0);
}

std::string SimPipeEnd::read(std::size_t bytes_max) {
  SKYSOCK_CHECK(pipe_ && side_ == Side::read);
  std::string text(std::min(bytes_max, pipe_->bytes.size()), '\0');
  text.resize(pipe_->read(std::as_writable_bytes(std::span(text))).value_or(0));
  return text;
}

bool SimPipeEnd::is_alone() const {
  SKYSOCK_CHECK(pipe_);
  return side_ == Side::read ? !pipe_->writer_open : !pipe_->reader_open;
}

void SimPipeEnd::close() {
  const auto pipe = std::exchange(pipe_, nullptr);
  if (!pipe) return;
  side_ == Side::read ? pipe->close_reader() : pipe->close_writer();
}

}  // namespace skysock
