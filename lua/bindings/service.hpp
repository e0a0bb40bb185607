#pragma once

#include <lua.hpp>
#include <memory>

#include "lua/bindings/node.hpp"

namespace skysock::lua {

/// One service written in Lua: one VM, which runs on one thread at a time.
///
/// The first message, whatever it says, runs the script; later ones go to the function that the
/// script gave to core.callback (skynet.start does). A script that gives none is done when its
/// chunk ends. Nothing that Lua raises leaves handle().
class Service {
 public:
  /// Makes the VM. A first service that ends with an error fails the node.
  Service(std::shared_ptr<Node> node, ServiceHandle self, Script script);
  /// Ends the VM; its finalisers may still send. Then the node reports the end.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Handles one message; its payload is freed by the caller unless Lua took it.
  void handle(Message&& message);

  /// The service that `L` belongs to. Requires: there is one.
  static Service& of(lua_State* L);

  [[nodiscard]] Node& node() { return *node_; }
  [[nodiscard]] Runtime& runtime() { return node_->runtime(); }
  [[nodiscard]] ServiceHandle self() const { return self_; }

  /// The message being handled; nullptr outside of handle().
  [[nodiscard]] Message* current() { return current_; }

  /// Makes Lua the owner of the bytes of every later message, which it must send on or free.
  void give_bytes_to_lua(bool given) { bytes_are_luas_ = given; }

  /// Messages that Lua was given so far, the script's start included.
  [[nodiscard]] std::uint64_t handled() const { return handled_; }

  /// A positive session below 2^31, one after another; wraps to 1.
  Session next_session();

  /// Lets next_session() go on after `session`. For tests of the wrap.
  void continue_sessions_after(Session session) { session_ = session; }

  /// Something was woken or forked: it runs after what runs now.
  void queued() { queued_ = true; }

  /// Lua is to see everything that happens to sockets from now on.
  void see_sockets() { sees_sockets_ = true; }

  /// Lua is to see every end of a connection from now on.
  void track_ends() { tracks_ends_ = true; }
  [[nodiscard]] bool tracks_ends() const { return tracks_ends_; }

  /// Whether the running coroutine is one of the scheduler's, which our calls may suspend: false
  /// from nest_coroutines() on, since then it may be one inside of those.
  [[nodiscard]] bool waits_here() const { return waits_here_; }
  void nest_coroutines() { waits_here_ = false; }

  /// Ends the service after the message it is handling.
  void retire() noexcept;

  /// Ends the service because of an error. The first service's is printed and ends the node; that
  /// of another is logged, and the launcher hears of its end.
  void fail(const char* text) noexcept;

  /// Writes one log line: UTC time, handle, text. One write(2), so lines of services do not mix.
  void log(const char* text, std::size_t size) const noexcept;

 private:
  void run_script();
  void reject_configuration();
  void dispatch();
  void push_bytes();

  std::shared_ptr<Node> node_;
  ServiceHandle self_;
  Script script_;
  lua_State* lua_;
  Message* current_ = nullptr;
  Session session_ = 0;
  std::uint64_t handled_ = 0;
  bool bytes_are_luas_ = false;
  bool started_ = false;
  bool retired_ = false;
  bool queued_ = false;
  bool sees_sockets_ = false;
  bool tracks_ends_ = false;
  bool waits_here_ = true;
};

}  // namespace skysock::lua
