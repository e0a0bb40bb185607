#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/service/service.hpp"

namespace skysock {

/// Who lives where: hands out handles, finds services by handle or name.
///
/// A handle is a place (low bits) and how often the place was used before (high bits). A place is
/// used again only while more than `spare_places` others are free, first-in first-out, so a handle
/// comes back after 4,096 x `spare_places` services or more. Places are never freed: find() needs
/// no lock, and the mailbox there refuses what is meant for a service that is gone.
///
/// Thread safe. Source: skynet_handle.c, which keeps a lock and a count of references instead.
class Registry {
 public:
  static constexpr unsigned kPlaceBits = 20;
  static constexpr std::size_t kPlacesMax = std::size_t{1} << kPlaceBits;
  static constexpr std::size_t kSparePlaces = 4'096;

  explicit Registry(std::size_t spare_places = kSparePlaces) : spare_places_(spare_places) {}
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// A new service with an open mailbox that the caller has; nullptr after close() or when all
  /// places are taken.
  Service* add(std::string name);

  /// The place of `handle`, whoever lives there; nullptr when nobody ever did. Cost: two loads.
  [[nodiscard]] Service* find(ServiceHandle handle) const {
    const std::size_t place = handle & (kPlacesMax - 1);
    Chunk* chunk = chunks_[place / kChunkPlaces].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : &(*chunk)[place % kChunkPlaces];
  }

  /// Takes `handle` and its names off the list; true the first time. Its place is kept.
  bool remove(ServiceHandle handle);

  /// Lets the place be used again. Requires: removed, and the mailbox's life has ended.
  void release(Service& service);

  /// Gives a listed service a name that query() finds until it is removed; it may have several.
  /// Returns false when the name is empty or taken, or nobody is listed under `handle`.
  bool name(ServiceHandle handle, std::string_view text);

  /// The service of that name; 0 when there is none.
  [[nodiscard]] ServiceHandle query(std::string_view text) const;

  /// What the service was called when it was added; "" when its place is not its any more.
  [[nodiscard]] std::string name_of(ServiceHandle handle) const;

  /// Refuses new services and returns those listed.
  std::vector<ServiceHandle> close();

  /// Messages waiting for `handle`; 0 when its place is not its any more.
  [[nodiscard]] std::size_t mailbox_length(ServiceHandle handle) const;

  /// Services listed.
  [[nodiscard]] std::size_t size() const;
  /// The longest mailbox of all services, ended ones included until they are gone.
  [[nodiscard]] std::size_t longest_mailbox() const;

 private:
  static constexpr std::size_t kChunkPlaces = 256;
  using Chunk = std::array<Service, kChunkPlaces>;

  struct Place {
    ServiceHandle next_handle = 0;
    bool listed = false;
  };

  [[nodiscard]] bool has_free_place() const;
  std::size_t take_place();

  const std::size_t spare_places_;
  std::array<std::atomic<Chunk*>, kPlacesMax / kChunkPlaces> chunks_{};

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Chunk>> owned_chunks_;
  std::vector<Place> places_{Place{}};  ///< Place 0 is nobody's, so that no handle is 0.
  std::deque<std::uint32_t> free_;
  std::map<std::string, ServiceHandle, std::less<>> names_;
  std::size_t listed_ = 0;
  bool closed_ = false;
};

}  // namespace skysock
