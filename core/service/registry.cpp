#include "core/service/registry.hpp"

#include <algorithm>

namespace skysock {
namespace {

std::size_t place_of(ServiceHandle handle) { return handle & (Registry::kPlacesMax - 1); }

}  // namespace

bool Registry::has_free_place() const { return !free_.empty() || places_.size() < kPlacesMax; }

/// Requires: the lock, has_free_place().
std::size_t Registry::take_place() {
  if (free_.size() > spare_places_ || places_.size() == kPlacesMax) {
    const std::size_t place = free_.front();
    free_.pop_front();
    return place;
  }
  const std::size_t place = places_.size();
  places_.push_back({.next_handle = static_cast<ServiceHandle>(place)});
  std::atomic<Chunk*>& chunk = chunks_[place / kChunkPlaces];
  if (chunk.load(std::memory_order_relaxed) == nullptr) {
    owned_chunks_.push_back(std::make_unique<Chunk>());
    chunk.store(owned_chunks_.back().get(), std::memory_order_release);
  }
  return place;
}

Service* Registry::add(std::string name) {
  const std::lock_guard lock(mutex_);
  if (closed_ || !has_free_place()) return nullptr;
  Place& place = places_[take_place()];
  Service& service = *find(place.next_handle);
  service.handle = place.next_handle;
  service.name = std::move(name);
  service.mailbox.open(service.handle);
  place.next_handle += static_cast<ServiceHandle>(kPlacesMax);  // Wraps: the high bits are a count.
  place.listed = true;
  ++listed_;
  return &service;
}

bool Registry::remove(ServiceHandle handle) {
  const std::lock_guard lock(mutex_);
  const Service* service = find(handle);
  if (service == nullptr || service->handle != handle) return false;
  if (!std::exchange(places_[place_of(handle)].listed, false)) return false;
  --listed_;
  std::erase_if(names_, [handle](const auto& entry) { return entry.second == handle; });
  return true;
}

void Registry::release(Service& service) {
  const std::lock_guard lock(mutex_);
  const std::size_t place = place_of(service.handle);
  SKYSOCK_CHECK(service.handle != 0 && !places_[place].listed);
  service.handle = 0;
  service.name.clear();
  free_.push_back(static_cast<std::uint32_t>(place));
}

bool Registry::name(ServiceHandle handle, std::string_view text) {
  const std::lock_guard lock(mutex_);
  const Service* service = find(handle);
  if (service == nullptr || service->handle != handle || handle == 0) return false;
  if (text.empty() || !places_[place_of(handle)].listed) return false;
  return names_.emplace(text, handle).second;
}

ServiceHandle Registry::query(std::string_view text) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(text);
  return found == names_.end() ? 0 : found->second;
}

std::string Registry::name_of(ServiceHandle handle) const {
  const std::lock_guard lock(mutex_);
  const Service* service = find(handle);
  return service == nullptr || service->handle != handle ? "" : service->name;
}

std::size_t Registry::mailbox_length(ServiceHandle handle) const {
  const std::lock_guard lock(mutex_);
  const Service* service = find(handle);
  return service == nullptr || service->handle != handle ? 0 : service->mailbox.length();
}

std::vector<ServiceHandle> Registry::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  std::vector<ServiceHandle> listed;
  for (std::size_t place = 1; place < places_.size(); ++place) {
    const auto key = static_cast<ServiceHandle>(place);
    if (places_[place].listed) listed.push_back(find(key)->handle);
  }
  return listed;
}

std::size_t Registry::size() const {
  const std::lock_guard lock(mutex_);
  return listed_;
}

std::size_t Registry::longest_mailbox() const {
  const std::lock_guard lock(mutex_);
  std::size_t longest = 0;
  for (std::size_t place = 1; place < places_.size(); ++place) {
    longest = std::max(longest, find(static_cast<ServiceHandle>(place))->mailbox.length());
  }
  return longest;
}

}  // namespace skysock
