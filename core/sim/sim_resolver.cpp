#include "core/sim/sim_resolver.hpp"

#include <netdb.h>

#include <utility>

#include "core/base/check.hpp"
#include "core/sim/addresses.hpp"
#include "core/sim/sim_kernel.hpp"

namespace skysock {

void SimNames::set_host(const std::string& name, std::vector<Endpoint> endpoints) {
  SKYSOCK_CHECK(!endpoints.empty());
  hosts_.insert_or_assign(name, std::move(endpoints));
}

void SimNames::set_host_error(const std::string& name, int eai_code) {
  hosts_.insert_or_assign(name, Failure(resolver_error(eai_code)));
}

std::shared_ptr<SimNames::Desk> SimNames::open_desk(std::function<void()> on_ready) {
  std::erase_if(desks_, [](const auto& weak) { return weak.expired(); });
  auto desk = std::make_shared<Desk>();
  desk->on_ready = std::move(on_ready);
  desks_.push_back(desk);
  return desk;
}

Result<std::vector<Endpoint>> SimNames::look_up(const ResolverQuery& query) const {
  const auto known = hosts_.find(query.host);
  if (known == hosts_.end()) {
    const auto numeric = Endpoint::from_numeric(query.host, query.port);
    if (!numeric) return Failure(resolver_error(EAI_NONAME));
    return std::vector{*numeric};
  }
  Result<std::vector<Endpoint>> found = known->second;
  if (!found) return found;
  for (Endpoint& endpoint : *found) endpoint = with_port(endpoint, query.port);
  return found;
}

void SimNames::answer() {
  if (under_way() == 0) return;
  const auto desks = desks_;  // on_ready may open another or ask again: that is for the next time.
  for (const auto& weak : desks) {
    const std::shared_ptr<Desk> desk = weak.lock();
    if (!desk) continue;
    for (const ResolverQuery& query : std::exchange(desk->queries, {})) {
      desk->answers.push_back({.tag = query.tag, .endpoints = look_up(query)});
      desk->on_ready();
    }
  }
}

std::size_t SimNames::under_way() const {
  std::size_t count = 0;
  for (const auto& weak : desks_) {
    if (const auto desk = weak.lock()) count += desk->queries.size();
  }
  return count;
}

SimResolver::SimResolver(SimKernel& kernel, std::function<void()> on_ready)
    : desk_(kernel.names().open_desk(std::move(on_ready))) {}

void SimResolver::ask(ResolverQuery query) { desk_->queries.push_back(std::move(query)); }

std::optional<ResolverAnswer> SimResolver::take() {
  if (desk_->answers.empty()) return std::nullopt;
  ResolverAnswer answer = std::move(desk_->answers.front());
  desk_->answers.pop_front();
  return answer;
}

}  // namespace skysock
