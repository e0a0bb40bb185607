#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/sys/syscalls.hpp"

namespace skysock {

class LinuxSys;

/// The system's resolver beside the caller: one background thread, started by the first question,
/// asks one name after another, so a slow name delays those behind it. All signals are blocked in
/// that thread.
///
/// ask() and take() may be called from any thread. `on_ready` is called on the background thread
/// (on the asking one when no thread can be had), may call both, and is never called any more once
/// the destructor has returned. Requires: `on_ready` does not destroy the resolver.
class LinuxResolver {
 public:
  using Lookup = std::function<Result<std::vector<Endpoint>>(const std::string&, std::uint16_t)>;

  LinuxResolver(LinuxSys&, std::function<void()> on_ready);
  /// Asks `lookup` instead of the system.
  LinuxResolver(std::function<void()> on_ready, Lookup lookup);
  LinuxResolver(const LinuxResolver&) = delete;
  LinuxResolver& operator=(const LinuxResolver&) = delete;
  ~LinuxResolver();

  /// Forgets all questions; nobody is told of answers any more. Waits for an `on_ready` under way,
  /// never for a lookup. The destructor does the same.
  void stop();

  /// An answer always follows: endpoints, the resolver's error, or the errno that kept the thread
  /// from being started.
  void ask(ResolverQuery query);
  /// The oldest answer that was not taken yet.
  std::optional<ResolverAnswer> take();

 private:
  struct Shared;
  static void run(const std::shared_ptr<Shared>& shared);

  std::shared_ptr<Shared> shared_;  ///< The thread holds it too: it may outlive the resolver.
};

}  // namespace skysock
