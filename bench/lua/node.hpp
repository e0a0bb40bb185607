#pragma once

// Lua services on a real node without workers, for benchmarks.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "bench/load/outcome.hpp"
#include "core/service/runtime.hpp"
#include "lua/bindings/node.hpp"
#include "lua/bindings/service.hpp"

namespace skysock::bench {

/// A node whose services are scripts of bench/lua. They run on its reactor thread, but for the
/// stepped one: that handles its messages on the thread of the benchmark, which can give it others
/// and see each one to its end. All calls from one thread.
class LuaNode {
 public:
  static load::Outcome<std::unique_ptr<LuaNode>> start();
  LuaNode(const LuaNode&) = delete;
  LuaNode& operator=(const LuaNode&) = delete;
  ~LuaNode();

  /// Starts bench/lua/NAME.lua. Error: there is no such script.
  load::Outcome<ServiceHandle> launch(const std::string& name);
  /// The same for the stepped service, of which there is one at most.
  load::Outcome<ServiceHandle> launch_stepped(const std::string& name);

  /// Lets the stepped service handle `message` now.
  void step(Message&& message) { stepped_->handle(std::move(message)); }

  /// What a service answers (bench/lua/answers.lua). Handles what comes for the stepped one
  /// meanwhile. Errors: it failed or ended, the log on standard error says why; no answer in 10 s.
  load::Outcome<std::string> ask(ServiceHandle service, std::string_view question);

  /// Bytes that the service's VM allocates for each of the `operations` that `work` is.
  load::Outcome<double> count_garbage(ServiceHandle service, std::int64_t operations,
                                      const std::function<void()>& work);

 private:
  /// What came for a service of ours that lives on another thread.
  struct Letter {
    bool is_answer = false;
    Message message;
  };

  LuaNode() = default;
  [[nodiscard]] lua::Script script(const std::string& name) const;
  ServiceHandle spawn_inbox(bool for_answers);
  std::optional<Letter> take_letter(std::chrono::steady_clock::time_point deadline);

  std::string folder_;
  std::unique_ptr<Runtime> runtime_;
  std::shared_ptr<lua::Node> node_;
  ServiceHandle asker_ = 0;
  std::unique_ptr<lua::Service> stepped_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Letter> letters_;
};

}  // namespace skysock::bench
