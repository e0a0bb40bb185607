#include "fuzz/datagram_ledger.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace skysock::fuzz {

void DatagramLedger::arrived(const std::string& at, const std::string& from,
                             const std::string& text) {
  const auto sent = std::ranges::find_if(
      ours_, [&](const Ours& one) { return one.text == text && (one.to.empty() || one.to == at); });
  SKYSOCK_CHECK(sent != ours_.end());
  // The empty datagram does not say whose it is.
  if (!text.empty()) ids_[from] = sent->id;
  ours_.erase(sent);
}

void DatagramLedger::sent_by_peer(const std::string& from, const std::string& to,
                                  const std::string& text) {
  const auto known = ids_.find(to);
  if (known != ids_.end()) theirs_.push_back({known->second, from, text});
}

void DatagramLedger::heard(SocketId id, const std::string& from, const std::string& text) {
  const auto sent = std::ranges::find_if(theirs_, [&](const Theirs& one) {
    return one.id == id && one.from == from && one.text == text;
  });
  SKYSOCK_CHECK(sent != theirs_.end());
  theirs_.erase(sent);
}

std::vector<std::string> DatagramLedger::endpoints() const {
  std::vector<std::string> all;
  for (const auto& [endpoint, id] : ids_) all.push_back(endpoint);
  return all;
}

std::size_t DatagramLedger::under_way_to(const std::string& to) const {
  return static_cast<std::size_t>(std::ranges::count(ours_, to, &Ours::to));
}

std::size_t DatagramLedger::under_way_to(SocketId id) const {
  return static_cast<std::size_t>(std::ranges::count(theirs_, id, &Theirs::id));
}

}  // namespace skysock::fuzz
