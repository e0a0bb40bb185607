#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skysock {

/// Where a step of another thread matters. Code under test names the place to its kernel: Linux
/// does nothing with it, the simulated kernel may let another task run there, so that a race
/// happens exactly as a program says. kYieldPoints says what each one is.
enum class YieldPoint : std::uint8_t {
  send_looks,
  direct_tries,
  direct_locked,
  direct_checked,
  direct_called,
  direct_parked,
  arm_write_due,
  send_counted,
  payload_parked,
  limit_closes,
  id_reserved,
  fd_parked,
  address_changing,
  visit_listed,
  ring_reserved,
  ring_committed,
  pipe_counted,
  pipe_written,
  slot_lock_wanted,
  slot_locked,
  descriptor_closed,
  slot_freed,
  state_entered,
  remainder_taken,
  reactor_wrote,
  packet_taken,
  event_taken,
  wait_announced,
};

struct YieldPointName {
  YieldPoint point;
  std::string_view name;
  std::string_view where;
};

/// In the order of YieldPoint.
inline constexpr std::array kYieldPoints = {
    YieldPointName{YieldPoint::send_looks, "send_looks", "a send will look at the socket's state"},
    YieldPointName{YieldPoint::direct_tries, "direct_tries",
                   "it wants to write itself, and will try the slot's lock"},
    YieldPointName{YieldPoint::direct_locked, "direct_locked",
                   "it has the lock, and will look again"},
    YieldPointName{YieldPoint::direct_checked, "direct_checked",
                   "the second look allowed it: the system call is next"},
    YieldPointName{YieldPoint::direct_called, "direct_called",
                   "the system call was made; the lock is still held"},
    YieldPointName{YieldPoint::direct_parked, "direct_parked",
                   "the rest is parked and counted; the lock is still held"},
    YieldPointName{YieldPoint::arm_write_due, "arm_write_due",
                   "the lock is free, and the reactor will be told"},
    YieldPointName{YieldPoint::send_counted, "send_counted",
                   "output is counted, its payload not yet parked"},
    YieldPointName{YieldPoint::payload_parked, "payload_parked",
                   "a payload is parked, its packet not yet posted"},
    YieldPointName{YieldPoint::limit_closes, "limit_closes",
                   "a send beyond its limit will close the socket"},
    YieldPointName{YieldPoint::id_reserved, "id_reserved",
                   "an id is reserved, its packet not yet posted"},
    YieldPointName{YieldPoint::fd_parked, "fd_parked",
                   "a descriptor is parked, its packet not yet posted"},
    YieldPointName{YieldPoint::address_changing, "address_changing",
                   "a change of address is counted, its packet not yet posted"},
    YieldPointName{YieldPoint::visit_listed, "visit_listed",
                   "a visit is in the inbox; the reactor is not yet woken"},
    YieldPointName{YieldPoint::ring_reserved, "ring_reserved",
                   "a record of the ring is reserved, not committed"},
    YieldPointName{YieldPoint::ring_committed, "ring_committed",
                   "it is committed; the reactor is not yet rung"},
    YieldPointName{YieldPoint::pipe_counted, "pipe_counted",
                   "bytes of the pipe are counted, not written"},
    YieldPointName{YieldPoint::pipe_written, "pipe_written", "they are written"},
    YieldPointName{YieldPoint::slot_lock_wanted, "slot_lock_wanted",
                   "a slot's lock will be waited for"},
    YieldPointName{YieldPoint::slot_locked, "slot_locked", "it is held"},
    YieldPointName{YieldPoint::descriptor_closed, "descriptor_closed",
                   "the reactor closed a descriptor; the slot's lock is held, its id still lives"},
    YieldPointName{YieldPoint::slot_freed, "slot_freed",
                   "the reactor freed a slot; the owner has not heard of it"},
    YieldPointName{YieldPoint::state_entered, "state_entered",
                   "the reactor published a state; the owner has not heard of it"},
    YieldPointName{YieldPoint::remainder_taken, "remainder_taken",
                   "the reactor looked for the rest of a direct write, and will write"},
    YieldPointName{YieldPoint::reactor_wrote, "reactor_wrote",
                   "the kernel took output of the reactor's; it still counts"},
    YieldPointName{YieldPoint::packet_taken, "packet_taken",
                   "the reactor took a packet, and will carry it out"},
    YieldPointName{YieldPoint::event_taken, "event_taken",
                   "the reactor took an event of the poller's, and will do its I/O"},
    YieldPointName{YieldPoint::wait_announced, "wait_announced",
                   "the reactor will ask the poller, and sleep there if it may"},
};

namespace detail {
consteval bool yield_points_are_in_order() {
  for (std::size_t at = 0; at < kYieldPoints.size(); ++at) {
    if (kYieldPoints[at].point != static_cast<YieldPoint>(at)) return false;
  }
  return kYieldPoints.size() == static_cast<std::size_t>(YieldPoint::wait_announced) + 1;
}
}  // namespace detail
static_assert(detail::yield_points_are_in_order());

inline constexpr std::string_view to_text(YieldPoint point) {
  return kYieldPoints[static_cast<std::size_t>(point)].name;
}

}  // namespace skysock
