// SimKernel: epoll sets.

#include "core/base/check.hpp"
#include "core/sim/sim_kernel.hpp"

namespace skysock {

Result<int> SimKernel::epoll_create() {
  if (const auto entered = enter(Call::epoll_create); !entered) return Failure(entered.error());
  const Result<int> fd = install(EpollSet{}, false);
  if (fd) epoll_fds_.push_back(*fd);
  return fd;
}

/// The set `epoll_fd`, for a change of `fd`.
Result<EpollSet*> SimKernel::open_set(Call call, int epoll_fd, int fd, std::uint32_t interest) {
  const Result<EpollSet*> set = open_as<EpollSet>(call, epoll_fd, std::errc::invalid_argument);
  if (!set) return set;
  Object* object = find(fd);
  if (object == nullptr) {
    ++bad_fd_calls_;
    return failure(std::errc::bad_file_descriptor);
  }
  const bool nested = std::holds_alternative<EpollSet>(*object);
  if (nested || (interest & EPOLLEXCLUSIVE) != 0) return failure(std::errc::invalid_argument);
  if (edges_of(*object) == nullptr) return failure(std::errc::operation_not_permitted);
  return set;
}

EpollSet::Interest SimKernel::interest_in(int fd, std::uint32_t mask, std::uint64_t data) {
  return {.fd = fd, .mask = mask, .data = data, .seen = *edges_of(object_at(fd))};
}

Result<void> SimKernel::epoll_add(int epoll_fd, int fd, std::uint32_t interest,
                                  std::uint64_t data) {
  const Result<EpollSet*> set = open_set(Call::epoll_add, epoll_fd, fd, interest);
  if (!set) return Failure(set.error());
  if ((*set)->find(fd) != (*set)->interests.end()) return failure(std::errc::file_exists);
  (*set)->interests.push_back(interest_in(fd, interest, data));
  return {};
}

Result<void> SimKernel::epoll_modify(int epoll_fd, int fd, std::uint32_t interest,
                                     std::uint64_t data) {
  const Result<EpollSet*> set = open_set(Call::epoll_modify, epoll_fd, fd, interest);
  if (!set) return Failure(set.error());
  const auto found = (*set)->find(fd);
  if (found == (*set)->interests.end()) return failure(std::errc::no_such_file_or_directory);
  *found = interest_in(fd, interest, data);
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

const std::vector<EpollSet::Interest>& SimKernel::watched() {
  SKYSOCK_CHECK(epoll_fds_.size() == 1);
  return std::get<EpollSet>(object_at(epoll_fds_.front())).interests;
}

std::size_t SimKernel::collect(EpollSet& set, std::span<epoll_event> into) {
  const std::size_t total = set.interests.size();
  std::size_t looked = 0;
  std::size_t count = 0;
  for (; looked < total && count < into.size(); ++looked) {
    EpollSet::Interest& one = set.interests[(set.next + looked) % total];
    Object& object = object_at(one.fd);
    const std::uint32_t events = one.take(*edges_of(object), readiness(object));
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

std::int64_t SimKernel::now_us() {
  us_ += kLookUs;
  now_ms_ += us_ / 1'000;
  us_ %= 1'000;
  return now_ms_ * 1'000 + us_;
}

}  // namespace skysock
