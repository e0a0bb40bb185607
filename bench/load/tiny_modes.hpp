#pragma once

#include <cstdint>
#include <thread>

#include "bench/load/socket.hpp"

namespace skysock::load {

enum class TinyMode : std::uint8_t { udp_echo, source, broadcast, connect };

/// What a tiny server does wrong on purpose. Each mode knows the ones that make sense for it.
enum class ModeFlaw : std::uint8_t {
  none,
  silent,       ///< Takes everything, answers nothing.
  flip_byte,    ///< The last byte comes changed.
  cut,          ///< The last byte is missing.
  extra_byte,   ///< A byte follows that nobody expects.
  drop,         ///< A whole answer is missing.
  twice,        ///< A whole answer comes twice.
  late,         ///< An answer comes after the next one of its socket (udp_echo).
  misdeliver,   ///< An answer goes to another peer.
  close_early,  ///< A connection ends when it should not.
  no_end,       ///< A connection does not end when it should (connect); all streams stop (source).
  starve,       ///< The stream of the first connection stops, the others' do not (source).
  all_at_once,  ///< More connections at a time than ordered (connect).
  one_less,     ///< Says that it made all, and made one less (connect).
  one_more,     ///< Makes one connection more than ordered (connect).
  fail,         ///< Gives the order up (connect).
};

struct TinyModeOptions {
  ModeFlaw flaw = ModeFlaw::none;
  /// Which datagram, copy or connection is served wrongly, from 1; of a source the byte, from 0. At
  /// 0 a broadcast server serves the accept probes wrongly, and no copy.
  std::uint64_t flaw_at = 1;
  std::uint64_t flaw_every = 0;  ///< And how many after it again; 0: never. For datagrams.
};

/// Whether number `count`, from 1, is one to be served wrongly.
[[nodiscard]] bool is_flawed(const TinyModeOptions& options, std::uint64_t count);

/// A deliberately simple server on 127.0.0.1 on its own thread, from construction to destruction.
class TinyModeServer {
 public:
  explicit TinyModeServer(TinyMode mode, TinyModeOptions options = {});
  ~TinyModeServer();
  TinyModeServer(const TinyModeServer&) = delete;
  TinyModeServer& operator=(const TinyModeServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;

 private:
  Fd socket_;
  Fd stop_;
  std::thread thread_;
};

// What the thread runs, until `stop` becomes readable.
void serve_tiny_udp_echo(int socket, int stop, const TinyModeOptions& options);
void serve_tiny_source(int listener, int stop, const TinyModeOptions& options);
void serve_tiny_broadcast(int listener, int stop, const TinyModeOptions& options);
void serve_tiny_connect(int listener, int stop, const TinyModeOptions& options);

}  // namespace skysock::load
