#include "lua/bindings/name_lookup.hpp"

#include <algorithm>
#include <utility>

namespace skysock::lua {
namespace {

constexpr unsigned kSessionBits = 32;

std::string text_of(const Result<std::vector<Endpoint>>& endpoints) {
  if (!endpoints) return "-" + endpoints.error().message();
  std::string text;
  for (const std::string& host : hosts_of(*endpoints)) text += (text.empty() ? "+" : "\n") + host;
  return text;
}

}  // namespace

std::vector<std::string> hosts_of(const std::vector<Endpoint>& endpoints) {
  std::vector<std::string> hosts;
  for (const Endpoint& endpoint : endpoints) {
    std::string host = endpoint.host();
    if (std::ranges::find(hosts, host) == hosts.end()) hosts.push_back(std::move(host));
  }
  return hosts;
}

NameLookup::NameLookup(Runtime& runtime)
    : runtime_(runtime), resolver_([this] { post_answers(); }, resolve) {}

void NameLookup::ask(std::string name, ServiceHandle service, Session session) {
  const std::uint64_t tag =
      std::uint64_t{service} << kSessionBits | static_cast<std::uint32_t>(session);
  resolver_.ask({.tag = tag, .host = std::move(name), .port = 0});
}

void NameLookup::post_answers() {
  while (const std::optional<ResolverAnswer> answer = resolver_.take()) {
    const std::string text = text_of(answer->endpoints);
    runtime_.post(static_cast<ServiceHandle>(answer->tag >> kSessionBits),
                  {.type = MessageType::response,
                   .session = static_cast<Session>(answer->tag & 0x7FFF'FFFFU),
                   .payload = Block::copy_of(std::string_view(text))});
  }
}

}  // namespace skysock::lua
