#pragma once

#include "core/base/check.hpp"
#include "fuzz/modelled_server.hpp"

namespace skysock::fuzz {

/// Names a call as the one that the current thread is in, for a scope.
class ModelledServer::Overlapped {
 public:
  Overlapped(ModelledServer& server, CallUnderWay& call)
      : server_(server), thread_(server.threads_->current()) {
    const bool alone = server_.calls_.try_emplace(thread_, &call).second;
    SKYSOCK_CHECK(alone);
  }
  ~Overlapped() { server_.calls_.erase(thread_); }
  Overlapped(const Overlapped&) = delete;
  Overlapped& operator=(const Overlapped&) = delete;

 private:
  ModelledServer& server_;
  std::size_t thread_;
};

}  // namespace skysock::fuzz
