#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/sys/syscalls.hpp"

namespace skysock {

class SimKernel;

/// The names that a simulated world knows, and the questions about them that are under way.
class SimNames {
 public:
  /// What one resolver was asked and has to give.
  struct Desk {
    std::function<void()> on_ready;
    std::deque<ResolverQuery> queries;
    std::deque<ResolverAnswer> answers;
  };

  /// The ports of `endpoints` do not matter: an answer has the port of its question.
  void set_host(const std::string& name, std::vector<Endpoint> endpoints);
  /// eai_code: EAI_AGAIN, EAI_FAIL, ...
  void set_host_error(const std::string& name, int eai_code);

  [[nodiscard]] std::shared_ptr<Desk> open_desk(std::function<void()> on_ready);
  /// Answers what was asked until now: numeric addresses with themselves, unknown names with
  /// EAI_NONAME.
  void answer();
  /// Questions without an answer.
  [[nodiscard]] std::size_t under_way() const;

 private:
  [[nodiscard]] Result<std::vector<Endpoint>> look_up(const ResolverQuery& query) const;

  std::map<std::string, Result<std::vector<Endpoint>>> hosts_;
  std::vector<std::weak_ptr<Desk>> desks_;  ///< Oldest first.
};

/// The resolver of SimKernel. Answers become ready in SimKernel::step(), which calls on_ready.
class SimResolver {
 public:
  SimResolver(SimKernel& kernel, std::function<void()> on_ready);

  void ask(ResolverQuery query);
  std::optional<ResolverAnswer> take();

 private:
  std::shared_ptr<SimNames::Desk> desk_;
};

}  // namespace skysock
