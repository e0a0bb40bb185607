// SimKernel: descriptors of every kind, reading and writing. Sockets and the network are in
// sim_network.cpp, epoll is in sim_epoll.cpp.

#include "core/sim/sim_kernel.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace skysock {

// ---- Descriptors

Result<void> SimKernel::enter(Call call) {
  yields_ = 0;
  if (const auto planned = faults_.next(call)) return Failure(errno_code(*planned));
  return {};
}

Object* SimKernel::find(int fd) {
  const auto at = static_cast<std::size_t>(fd);
  if (fd < 0 || at >= descriptors_.size()) return nullptr;
  Object& object = descriptors_[at].object;
  return std::holds_alternative<std::monostate>(object) ? nullptr : &object;
}

SimKernel::Descriptor& SimKernel::descriptor(int fd) {
  SKYSOCK_CHECK(find(fd) != nullptr);
  return descriptors_[static_cast<std::size_t>(fd)];
}

Result<Object*> SimKernel::open(Call call, int fd) {
  const Result<void> entered = enter(call);
  Object* object = find(fd);
  if (object == nullptr) {
    ++bad_fd_calls_;
    return failure(std::errc::bad_file_descriptor);
  }
  if (!entered) {
    const bool again = entered.error() == std::errc::resource_unavailable_try_again;
    if (again) stalled_fds_.push_back(fd);
    return Failure(entered.error());
  }
  return object;
}

Result<Stream*> SimKernel::open_stream(Call call, int fd, std::errc on_listener) {
  const Result<Object*> object = open(call, fd);
  if (!object) return Failure(object.error());
  if (auto* end = std::get_if<Stream>(*object)) return end;
  if (std::holds_alternative<Listener>(**object)) return failure(on_listener);
  const bool datagrams = std::holds_alternative<Datagrams>(**object);
  return failure(datagrams ? std::errc::operation_not_supported : std::errc::not_a_socket);
}

std::optional<int> SimKernel::free_fd() const {
  int fd = 3;  // As in a program that has its three standard streams.
  for (; fd < static_cast<int>(descriptors_.size()); ++fd) {
    const Object& object = descriptors_[static_cast<std::size_t>(fd)].object;
    if (std::holds_alternative<std::monostate>(object)) break;
  }
  return fd < options_.fd_limit ? std::optional(fd) : std::nullopt;
}

Result<int> SimKernel::install(Object object, bool nonblocking) {
  const std::optional<int> fd = free_fd();
  if (!fd) return failure(std::errc::too_many_files_open);
  const auto at = static_cast<std::size_t>(*fd);
  if (at >= descriptors_.size()) descriptors_.resize(at + 1);
  Descriptor& one = descriptors_[at];
  one.object = std::move(object);
  one.nonblocking = nonblocking;
  one.options = {};
  one.traffic = {};
  return *fd;
}

std::size_t SimKernel::open_fds() const {
  return descriptors_.size() -
         static_cast<std::size_t>(std::ranges::count_if(descriptors_, [](const Descriptor& one) {
           return std::holds_alternative<std::monostate>(one.object);
         }));
}

bool SimKernel::is_nonblocking(int fd) { return descriptor(fd).nonblocking; }

void SimKernel::close(int fd) {
  yields_ = 0;
  faults_.next(Call::close);
  Object* object = find(fd);
  SKYSOCK_CHECK(object != nullptr);
  for (const int epoll_fd : epoll_fds_) {
    auto& set = std::get<EpollSet>(object_at(epoll_fd));
    std::erase_if(set.interests, [fd](const auto& interest) { return interest.fd == fd; });
  }
  std::erase(stalled_fds_, fd);
  let_go(fd, *object);
  *object = std::monostate{};
}

/// What closing the last descriptor of `object` does to others.
void SimKernel::let_go(int fd, Object& object) {
  if (auto* reader = std::get_if<PipeReader>(&object)) reader->pipe->close_reader();
  if (auto* writer = std::get_if<PipeWriter>(&object)) writer->pipe->close_writer();
  if (auto* listener = std::get_if<Listener>(&object)) {
    for (const Stream& end : listener->waiting) end->abort();
    std::erase(listener_fds_, fd);
  }
  if (auto* end = std::get_if<Stream>(&object)) {
    if (option(fd, SocketOption::reset_on_close).value_or(0) != 0) (*end)->abort();
  }
  if (std::holds_alternative<EpollSet>(object)) std::erase(epoll_fds_, fd);
}

// ---- Reading and writing

/// How much the next sending call on fd may take.
std::size_t SimKernel::take_send_limit(int fd) {
  if (send_limits_.empty()) return SIZE_MAX;
  const std::size_t limit = send_limits_.front();
  send_limits_.pop_front();
  stalled_fds_.push_back(fd);
  return limit;
}

void SimKernel::note_read(int fd, std::size_t bytes) {
  descriptor(fd).traffic.read_bytes += bytes;
  traffic_.read_bytes += bytes;
}

Result<std::size_t> SimKernel::note_sent(int fd, Result<std::size_t> result) {
  if (!result) return result;
  descriptor(fd).traffic.sent_bytes += *result;
  traffic_.sent_bytes += *result;
  return result;
}

Result<std::size_t> SimKernel::read_object(Object& object, std::span<std::byte> into) {
  if (auto* end = std::get_if<Stream>(&object)) return (*end)->read(into);
  if (auto* reader = std::get_if<PipeReader>(&object)) return reader->pipe->read(into);
  if (auto* event = std::get_if<EventCounter>(&object)) return event->read(into);
  if (auto* file = std::get_if<File>(&object)) return file->read(into);
  if (auto* socket = std::get_if<Datagrams>(&object)) {
    const Result<ReceivedDatagram> got = (*socket)->take(into);
    if (!got) return Failure(got.error());
    return got->bytes;
  }
  if (std::holds_alternative<Spare>(object)) return 0;
  if (std::holds_alternative<Listener>(object)) return failure(std::errc::not_connected);
  const bool writer = std::holds_alternative<PipeWriter>(object);
  return failure(writer ? std::errc::bad_file_descriptor : std::errc::invalid_argument);
}

Result<std::size_t> SimKernel::read(int fd, std::span<std::byte> into) {
  const Result<Object*> object = open(Call::read, fd);
  if (!object) return Failure(object.error());
  if (into.empty() && is_socket(**object)) return 0;  // sock_read_iter() does not even look.
  const Result<std::size_t> got = note_block(fd, read_object(**object, into));
  if (got) descriptor(fd).traffic.read_bytes += *got;
  return got;
}

Result<std::size_t> SimKernel::receive(int fd, std::span<std::byte> into) {
  const Result<Object*> object = open(Call::receive, fd);
  if (!object) return Failure(object.error());
  const bool socket = std::holds_alternative<Stream>(**object) ||
                      std::holds_alternative<Listener>(**object) ||
                      std::holds_alternative<Datagrams>(**object);
  if (!socket) return failure(std::errc::not_a_socket);
  const Result<std::size_t> got = note_block(fd, read_object(**object, into));
  if (got) note_read(fd, *got);
  return got;
}

namespace {

std::vector<std::byte> joined(std::span<const iovec> parts, std::size_t limit) {
  std::vector<std::byte> bytes;
  for (const iovec& part : parts) {
    const auto* first = static_cast<const std::byte*>(part.iov_base);
    bytes.insert(bytes.end(), first, first + part.iov_len);
  }
  bytes.resize(std::min(bytes.size(), limit));
  return bytes;
}

}  // namespace

Result<std::size_t> SimKernel::write_object(Object& object, std::span<const iovec> parts,
                                            std::size_t limit) {
  if (auto* end = std::get_if<Stream>(&object)) return (*end)->send(parts, limit);
  if (auto* writer = std::get_if<PipeWriter>(&object)) {
    if (limit == 0) return failure(std::errc::resource_unavailable_try_again);
    return writer->pipe->write(joined(parts, limit));
  }
  if (auto* event = std::get_if<EventCounter>(&object)) return event->write(joined(parts, limit));
  if (auto* file = std::get_if<File>(&object)) return file->write(joined(parts, limit));
  if (std::holds_alternative<Listener>(object)) return failure(std::errc::broken_pipe);
  if (std::holds_alternative<Datagrams>(object)) {
    return failure(std::errc::destination_address_required);
  }
  const bool set = std::holds_alternative<EpollSet>(object);
  return failure(set ? std::errc::invalid_argument : std::errc::bad_file_descriptor);
}

Result<std::size_t> SimKernel::write(int fd, std::span<const std::byte> from) {
  const Result<Object*> object = open(Call::write, fd);
  if (!object) return Failure(object.error());
  const iovec part{.iov_base = const_cast<std::byte*>(from.data()), .iov_len = from.size()};
  return note_block(fd, write_object(**object, {&part, 1}));
}

Result<std::size_t> SimKernel::write_parts(int fd, std::span<const iovec> parts) {
  const Result<Object*> object = open(Call::write_parts, fd);
  if (!object) return Failure(object.error());
  if (parts.size() > kPartsMax) return failure(std::errc::invalid_argument);
  return note_sent(fd, note_block(fd, write_object(**object, parts, take_send_limit(fd))));
}

Result<bool> SimKernel::set_nonblocking(int fd, bool on) {
  const Result<Object*> object = open(Call::set_nonblocking, fd);
  if (!object) return Failure(object.error());
  return std::exchange(descriptor(fd).nonblocking, on);
}

// ---- Making descriptors

Result<PipeEnds> SimKernel::make_pipe() {
  if (const auto entered = enter(Call::make_pipe); !entered) return Failure(entered.error());
  const auto pipe = std::make_shared<Pipe>();
  const Result<int> read_fd = install(PipeReader{pipe}, true);
  if (!read_fd) return Failure(read_fd.error());
  const Result<int> write_fd = install(PipeWriter{pipe}, false);
  if (write_fd) return PipeEnds{.read_fd = *read_fd, .write_fd = *write_fd};
  object_at(*read_fd) = std::monostate{};
  return Failure(write_fd.error());
}

Result<int> SimKernel::open_spare() {
  if (const auto entered = enter(Call::open_spare); !entered) return Failure(entered.error());
  return install(Spare{}, false);
}

Result<int> SimKernel::make_event() {
  if (const auto entered = enter(Call::make_event); !entered) return Failure(entered.error());
  return install(EventCounter{}, true);
}

void SimKernel::signal_event(int fd) {
  const Result<Object*> object = open(Call::signal_event, fd);
  if (!object) return;
  if (auto* event = std::get_if<EventCounter>(*object)) event->signal(1);
}

int SimKernel::lend(Object object) {
  const Result<int> fd = install(std::move(object), false);
  SKYSOCK_CHECK(fd);
  return *fd;
}

std::pair<int, SimPipeEnd> SimKernel::lend_pipe_reader() {
  const auto pipe = std::make_shared<Pipe>();
  return {lend(PipeReader{pipe}), SimPipeEnd(pipe, SimPipeEnd::Side::write)};
}

std::pair<int, SimPipeEnd> SimKernel::lend_pipe_writer() {
  const auto pipe = std::make_shared<Pipe>();
  return {lend(PipeWriter{pipe}), SimPipeEnd(pipe, SimPipeEnd::Side::read)};
}

std::pair<int, SimPeer> SimKernel::lend_connection() {
  const Stream far = std::make_shared<TcpEnd>(AF_INET, options_.buffers);
  far->set_local(local_of(AF_INET, "192.0.2.1", "2001:db8::1"));
  return {lend(establish(far, local_of(AF_INET, "127.0.0.1", "::1"))), SimPeer(far)};
}

int SimKernel::lend_file(std::string_view contents) {
  const auto bytes = std::as_bytes(std::span(contents.data(), contents.size()));
  return lend(File{.contents = {bytes.begin(), bytes.end()}});
}

std::string SimKernel::file_contents(int fd) {
  const auto& contents = std::get<File>(descriptor(fd).object).contents;
  return {reinterpret_cast<const char*>(contents.data()), contents.size()};
}

// ---- Time

void SimKernel::yield_thread() {
  if (on_yield_) return on_yield_();
  SKYSOCK_CHECK(++yields_ <= kYieldsMax);
}

}  // namespace skysock
