// SimKernel: descriptors, pipes and epoll. Sockets and the network are in sim_network.cpp.

#include "core/sim/sim_kernel.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace skysock {

// ---- Descriptors

Result<void> SimKernel::enter(Call call) {
  if (const auto planned = faults_.next(call)) return Failure(errno_code(*planned));
  return {};
}

Object* SimKernel::find(int fd) {
  const auto at = static_cast<std::size_t>(fd);
  if (fd < 0 || at >= objects_.size()) return nullptr;
  return std::holds_alternative<std::monostate>(objects_[at]) ? nullptr : &objects_[at];
}

Result<Object*> SimKernel::open(Call call, int fd) {
  const Result<void> entered = enter(call);
  Object* object = find(fd);
  if (object == nullptr) {
    ++bad_fd_calls_;
    return failure(std::errc::bad_file_descriptor);
  }
  if (!entered) return Failure(entered.error());
  return object;
}

template <typename T>
Result<T*> SimKernel::open_as(Call call, int fd, std::errc otherwise) {
  const Result<Object*> object = open(call, fd);
  if (!object) return Failure(object.error());
  T* found = std::get_if<T>(*object);
  if (found == nullptr) return failure(otherwise);
  return found;
}

Result<Stream*> SimKernel::open_stream(Call call, int fd, std::errc on_listener) {
  const Result<Object*> object = open(call, fd);
  if (!object) return Failure(object.error());
  if (auto* end = std::get_if<Stream>(*object)) return end;
  const bool listener = std::holds_alternative<Listener>(**object);
  return failure(listener ? on_listener : std::errc::not_a_socket);
}

Result<void> SimKernel::open_socket(Call call, int fd) {
  const Result<Object*> object = open(call, fd);
  if (!object) return Failure(object.error());
  const bool socket =
      std::holds_alternative<Stream>(**object) || std::holds_alternative<Listener>(**object);
  if (!socket) return failure(std::errc::not_a_socket);
  return {};
}

std::optional<int> SimKernel::free_fd() const {
  int fd = 3;  // As in a program that has its three standard streams.
  for (; fd < static_cast<int>(objects_.size()); ++fd) {
    if (std::holds_alternative<std::monostate>(objects_[static_cast<std::size_t>(fd)])) break;
  }
  return fd < options_.fd_limit ? std::optional(fd) : std::nullopt;
}

Result<int> SimKernel::install(Object object) {
  const std::optional<int> fd = free_fd();
  if (!fd) return failure(std::errc::too_many_files_open);
  const auto at = static_cast<std::size_t>(*fd);
  if (at >= objects_.size()) objects_.resize(at + 1);
  objects_[at] = std::move(object);
  return *fd;
}

std::size_t SimKernel::open_fds() const {
  return objects_.size() -
         static_cast<std::size_t>(std::ranges::count_if(objects_, [](const Object& object) {
           return std::holds_alternative<std::monostate>(object);
         }));
}

void SimKernel::close(int fd) {
  faults_.next(Call::close);
  Object* object = find(fd);
  SKYSOCK_CHECK(object != nullptr);
  for (const int epoll_fd : epoll_fds_) {
    auto& set = std::get<EpollSet>(objects_[static_cast<std::size_t>(epoll_fd)]);
    std::erase_if(set.interests, [fd](const auto& interest) { return interest.fd == fd; });
  }
  if (auto* reader = std::get_if<PipeReader>(object)) reader->pipe->reader_open = false;
  if (auto* writer = std::get_if<PipeWriter>(object)) writer->pipe->writer_open = false;
  if (auto* listener = std::get_if<Listener>(object)) {
    for (const Stream& end : listener->waiting) end->abort();
    std::erase(listener_fds_, fd);
  }
  if (std::holds_alternative<EpollSet>(*object)) std::erase(epoll_fds_, fd);
  *object = std::monostate{};
}

Result<std::size_t> SimKernel::read(int fd, std::span<std::byte> into) {
  const Result<Object*> object = open(Call::read, fd);
  if (!object) return Failure(object.error());
  if (auto* end = std::get_if<Stream>(*object)) return (*end)->read(into);
  if (auto* reader = std::get_if<PipeReader>(*object)) return reader->pipe->read(into);
  if (std::holds_alternative<Spare>(**object)) return 0;
  if (std::holds_alternative<Listener>(**object)) return failure(std::errc::not_connected);
  const bool writer = std::holds_alternative<PipeWriter>(**object);
  return failure(writer ? std::errc::bad_file_descriptor : std::errc::invalid_argument);
}

Result<std::size_t> SimKernel::write(int fd, std::span<const std::byte> from) {
  const Result<Object*> object = open(Call::write, fd);
  if (!object) return Failure(object.error());
  if (auto* writer = std::get_if<PipeWriter>(*object)) return writer->pipe->write(from);
  if (auto* end = std::get_if<Stream>(*object)) {
    const iovec part{.iov_base = const_cast<std::byte*>(from.data()), .iov_len = from.size()};
    return (*end)->send({&part, 1});
  }
  if (std::holds_alternative<Listener>(**object)) return failure(std::errc::broken_pipe);
  const bool set = std::holds_alternative<EpollSet>(**object);
  return failure(set ? std::errc::invalid_argument : std::errc::bad_file_descriptor);
}

Result<PipeEnds> SimKernel::make_pipe() {
  if (const auto entered = enter(Call::make_pipe); !entered) return Failure(entered.error());
  const auto pipe = std::make_shared<Pipe>();
  const Result<int> read_fd = install(PipeReader{pipe});
  if (!read_fd) return Failure(read_fd.error());
  const Result<int> write_fd = install(PipeWriter{pipe});
  if (write_fd) return PipeEnds{.read_fd = *read_fd, .write_fd = *write_fd};
  *find(*read_fd) = std::monostate{};
  return Failure(write_fd.error());
}

Result<int> SimKernel::open_spare() {
  if (const auto entered = enter(Call::open_spare); !entered) return Failure(entered.error());
  return install(Spare{});
}

// ---- Epoll

Result<int> SimKernel::epoll_create() {
  if (const auto entered = enter(Call::epoll_create); !entered) return Failure(entered.error());
  const Result<int> fd = install(EpollSet{});
  if (fd) epoll_fds_.push_back(*fd);
  return fd;
}

/// The set `epoll_fd`, for a change of `fd`.
Result<EpollSet*> SimKernel::open_set(Call call, int epoll_fd, int fd, std::uint32_t interest) {
  const Result<EpollSet*> set = open_as<EpollSet>(call, epoll_fd, std::errc::invalid_argument);
  if (!set) return set;
  const Object* object = find(fd);
  if (object == nullptr) {
    ++bad_fd_calls_;
    return failure(std::errc::bad_file_descriptor);
  }
  if (std::holds_alternative<Spare>(*object)) {
    return failure(std::errc::operation_not_permitted);
  }
  const std::uint32_t unknown = std::uint32_t{EPOLLET} | EPOLLONESHOT | EPOLLEXCLUSIVE;
  if (std::holds_alternative<EpollSet>(*object) || (interest & unknown) != 0) {
    return failure(std::errc::invalid_argument);
  }
  return set;
}

Result<void> SimKernel::epoll_add(int epoll_fd, int fd, std::uint32_t interest,
                                  std::uint64_t data) {
  const Result<EpollSet*> set = open_set(Call::epoll_add, epoll_fd, fd, interest);
  if (!set) return Failure(set.error());
  if ((*set)->find(fd) != (*set)->interests.end()) return failure(std::errc::file_exists);
  (*set)->interests.push_back({.fd = fd, .mask = interest, .data = data});
  return {};
}

Result<void> SimKernel::epoll_modify(int epoll_fd, int fd, std::uint32_t interest,
                                     std::uint64_t data) {
  const Result<EpollSet*> set = open_set(Call::epoll_modify, epoll_fd, fd, interest);
  if (!set) return Failure(set.error());
  const auto found = (*set)->find(fd);
  if (found == (*set)->interests.end()) return failure(std::errc::no_such_file_or_directory);
  *found = {.fd = fd, .mask = interest, .data = data};
  return {};
}

Result<void> SimKernel::epoll_remove(int epoll_fd, int fd) {
  const Result<EpollSet*> set = open_set(Call::epoll_remove, epoll_fd, fd, 0);
  if (!set) return Failure(set.error());
  const auto found = (*set)->find(fd);
  if (found == (*set)->interests.end()) return failure(std::errc::no_such_file_or_directory);
  (*set)->interests.erase(found);
  return {};
}

std::size_t SimKernel::collect(EpollSet& set, std::span<epoll_event> into) {
  const std::size_t total = set.interests.size();
  std::size_t looked = 0;
  std::size_t count = 0;
  for (; looked < total && count < into.size(); ++looked) {
    const EpollSet::Interest& one = set.interests[(set.next + looked) % total];
    const std::uint32_t events = readiness(objects_[static_cast<std::size_t>(one.fd)]) &
                                 (one.mask | std::uint32_t{EPOLLERR} | EPOLLHUP);
    if (events == 0) continue;
    into[count].events = events;
    into[count].data.u64 = one.data;
    ++count;
  }
  if (total > 0) set.next = (set.next + looked) % total;
  return count;
}

Result<std::size_t> SimKernel::epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                          int timeout_ms) {
  const Result<EpollSet*> set =
      open_as<EpollSet>(Call::epoll_wait, epoll_fd, std::errc::invalid_argument);
  if (!set) return Failure(set.error());
  if (events.empty()) return failure(std::errc::invalid_argument);
  step();
  const std::size_t count = collect(**set, events);
  idle_ = count == 0 && timeout_ms < 0;
  if (count == 0 && timeout_ms > 0) now_ms_ += timeout_ms;
  return count;
}

}  // namespace skysock
