#pragma once

#include <atomic>
#include <lua.hpp>
#include <memory>
#include <string>
#include <vector>

#include "core/service/runtime.hpp"

namespace skysock::lua {

/// What a service runs: a script and its arguments, and where `require` finds our modules.
struct Script {
  std::string path;
  std::vector<std::string> arguments;
  std::string lualib;  ///< Directory of skynet.lua and skynet/socket.lua.
};

/// One service written in Lua: one VM, which runs on one thread at a time.
///
/// The first message, whatever it says, runs the script; later ones go to the function that the
/// script gave to core.callback (skynet.start does). A script that gives none is done when its
/// chunk ends. Nothing that Lua raises leaves handle().
class Service {
 public:
  /// Makes the VM. `failed` is set when the script ends the service with an error.
  Service(Runtime& runtime, ServiceHandle self, Script script, std::atomic<bool>& failed);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Handles one message; its payload is freed by the caller unless Lua took it.
  void handle(Message&& message);

  /// The service that `L` belongs to. Requires: there is one.
  static Service& of(lua_State* L);

  [[nodiscard]] Runtime& runtime() { return runtime_; }
  [[nodiscard]] ServiceHandle self() const { return self_; }

  /// The message being handled; nullptr outside of handle().
  [[nodiscard]] Message* current() { return current_; }

  /// A positive session below 2^31, one after another; wraps to 1.
  Session next_session();

  /// Lets next_session() go on after `session`. For tests of the wrap.
  void continue_sessions_after(Session session) { session_ = session; }

  /// Ends the service after the message it is handling.
  void retire() noexcept;

  /// Ends the service because of an error: prints it, sets `failed`.
  void fail(const char* text) noexcept;

  /// Writes one log line: UTC time, handle, text. One write(2), so lines of services do not mix.
  void log(const char* text, std::size_t size) const noexcept;

 private:
  void run_script();
  void dispatch();

  Runtime& runtime_;
  ServiceHandle self_;
  Script script_;
  std::atomic<bool>& failed_;
  lua_State* lua_;
  Message* current_ = nullptr;
  Session session_ = 0;
  bool started_ = false;
  bool retired_ = false;
};

/// Makes the handler of a service that runs `script`. `failed` must outlive the runtime.
/// Post any message to start it.
HandlerFactory service_factory(Runtime& runtime, Script script, std::atomic<bool>& failed);

}  // namespace skysock::lua
