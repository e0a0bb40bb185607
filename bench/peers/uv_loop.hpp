#pragma once

// What the libuv servers share: a loop, a listener, an end, and who owns what a handle is in.

#include <fcntl.h>
#include <fmt/format.h>
#include <uv.h>

#include <csignal>
#include <cstddef>
#include <functional>
#include <span>
#include <utility>

#include "bench/load/outcome.hpp"
#include "core/base/check.hpp"

namespace skysock::bench {

/// What a handle's `data` points to. Lives until libuv has closed the handle.
struct UvObject {
  UvObject() = default;
  UvObject(const UvObject&) = delete;
  UvObject& operator=(const UvObject&) = delete;
  virtual ~UvObject() = default;
};

template <typename Object, typename Handle>
Object& object_of(const Handle* handle) {
  return *static_cast<Object*>(static_cast<UvObject*>(handle->data));
}

/// Deletes the handle's object when it is closed; at once nothing is called any more but what was
/// asked for, with UV_ECANCELED.
inline void close_uv(uv_handle_t* handle) {
  if (uv_is_closing(handle) != 0) return;
  uv_close(handle, [](uv_handle_t* closed) { delete static_cast<UvObject*>(closed->data); });
}
inline void close_uv(uv_tcp_t& tcp) { close_uv(reinterpret_cast<uv_handle_t*>(&tcp)); }

inline uv_buf_t uv_buffer(std::span<const std::byte> bytes) {
  return uv_buf_init(const_cast<char*>(reinterpret_cast<const char*>(bytes.data())),
                     static_cast<unsigned>(bytes.size()));
}

inline std::unexpected<std::string> uv_failed(const char* call, int code) {
  return std::unexpected(fmt::format("raw_libuv: {}: {}", call, uv_strerror(code)));
}

class UvLoop {
 public:
  uv_loop_t* get() { return &loop_; }

  /// Runs callbacks until `stop` is readable; `begin()` returns what prevents that. libuv writes
  /// with write(2), so SIGPIPE is ignored from here on, by the whole process: a peer that is gone
  /// is an error of the write.
  load::Outcome<void> run(int stop, const std::function<load::Outcome<void>()>& begin) {
    std::signal(SIGPIPE, SIG_IGN);
    if (const int code = uv_loop_init(&loop_); code != 0) return uv_failed("uv_loop_init", code);
    uv_poll_init(&loop_, &stop_, stop);
    stop_.data = nullptr;
    uv_poll_start(&stop_, UV_READABLE, [](uv_poll_t* handle, int, int) { uv_stop(handle->loop); });
    const load::Outcome<void> begun = begin();
    if (begun) uv_run(&loop_, UV_RUN_DEFAULT);
    uv_walk(&loop_, [](uv_handle_t* handle, void*) { close_uv(handle); }, nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    const int closed = uv_loop_close(&loop_);
    SKYSOCK_CHECK(closed == 0);
    return begun;
  }

  /// The same with `accepted(listener)` for every connection that waits.
  load::Outcome<void> run(int listener, int stop, std::function<void(uv_stream_t*)> accepted) {
    accepted_ = std::move(accepted);
    return run(stop, [this, listener] { return listen(listener); });
  }

  /// Accepts into `tcp`, which is in `object`. False: it could not be, and `object` goes.
  bool accept(uv_stream_t* from, uv_tcp_t& tcp, UvObject& object) {
    uv_tcp_init(&loop_, &tcp);
    tcp.data = &object;
    if (uv_accept(from, reinterpret_cast<uv_stream_t*>(&tcp)) == 0) return true;
    close_uv(tcp);
    return false;
  }

 private:
  static constexpr int kBacklog = 4'096;

  load::Outcome<void> listen(int listener) {
    uv_tcp_init(&loop_, &listener_);
    listener_.data = nullptr;
    // libuv closes what it is given.
    const int copy = ::fcntl(listener, F_DUPFD_CLOEXEC, 0);
    if (const int code = uv_tcp_open(&listener_, copy); code != 0) {
      return uv_failed("uv_tcp_open", code);
    }
    loop_.data = this;
    const auto connected = [](uv_stream_t* from, int status) {
      if (status == 0) static_cast<UvLoop*>(from->loop->data)->accepted_(from);
    };
    const int code = uv_listen(reinterpret_cast<uv_stream_t*>(&listener_), kBacklog, connected);
    return code == 0 ? load::Outcome<void>() : uv_failed("uv_listen", code);
  }

  uv_loop_t loop_{};
  uv_tcp_t listener_{};
  uv_poll_t stop_{};
  std::function<void(uv_stream_t*)> accepted_;
};

}  // namespace skysock::bench
