#pragma once

#include <string>

#include "core/service/runtime.hpp"
#include "core/sys/resolver.hpp"

namespace skysock::lua {

/// Looks names up for services, on a thread of the resolver's: nobody who asks is blocked, but a
/// slow name delays those behind it. Thread safe. The runtime must outlive it.
class NameLookup {
 public:
  explicit NameLookup(Runtime& runtime);
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;
  /// Nobody is answered any more. Never waits for a name.
  ~NameLookup() = default;

  /// Posts a response with `session` to `service`: "+" and the addresses of `name`, separated by
  /// newlines, or "-" and the resolver's reason.
  void ask(std::string name, ServiceHandle service, Session session);

  /// Nobody is answered any more, and no answer is on its way when it returns. Call it before the
  /// runtime stops. Never waits for a name.
  void stop() { resolver_.stop(); }

 private:
  void post_answers();

  Runtime& runtime_;
  LinuxResolver resolver_;
};

/// The addresses without their ports, each once: the resolver gives one per kind of socket.
std::vector<std::string> hosts_of(const std::vector<Endpoint>& endpoints);

}  // namespace skysock::lua
