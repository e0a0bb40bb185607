// What does it cost to reserve an id and to give its slot back while 0, 50 or 99 % of the slots are
// taken? One thread; what the reactor does with a socket is left out.

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "bench/harness.hpp"
#include "core/net/slot_table.hpp"

namespace skysock::bench {
namespace {

constexpr std::size_t kBatchMax = 512;
constexpr ServiceHandle kOwner = 1;

/// Reserves as many ids as `ids` has room for; false when one was refused.
bool reserve_all(SlotTable& table, std::vector<SocketId>& ids) {
  for (SocketId& id : ids) {
    const std::optional<SocketId> reserved = table.reserve(kOwner);
    if (!reserved) return false;
    id = *reserved;
  }
  return true;
}

void release_all(SlotTable& table, const std::vector<SocketId>& ids) {
  for (const SocketId id : ids) table.release(id);
}

/// Whether a batch brings ids that are all different, known while they live and stale after.
bool gives_good_ids(SlotTable& table, std::vector<SocketId>& ids, std::size_t taken) {
  if (!reserve_all(table, ids) || table.used() != taken + ids.size()) return false;
  const std::set<SocketId> different(ids.begin(), ids.end());
  bool good = different.size() == ids.size();
  for (const SocketId id : ids) good &= table.state(id) == State::reserved;
  release_all(table, ids);
  for (const SocketId id : ids) good &= table.find(id) == nullptr;
  return good;
}

void BM_SlotReserve(benchmark::State& state) {
  const auto slots = static_cast<std::size_t>(state.range(0));
  const std::size_t taken = slots * static_cast<std::size_t>(state.range(1)) / 100;
  SlotTable table(slots);
  std::vector<SocketId> held(taken);
  std::vector<SocketId> ids(std::min(kBatchMax, slots - taken));
  if (!reserve_all(table, held) || !gives_good_ids(table, ids, taken)) {
    return fail(state, "ids were refused, doubled or unknown");
  }
  bool reserved = true;
  for (auto _ : state) {
    reserved = reserved && reserve_all(table, ids);
    if (!reserved) break;
    release_all(table, ids);
  }
  if (!reserved || table.used() != taken) return fail(state, "slots were refused or lost");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(ids.size()));
}

}  // namespace

void register_slot_table() {
  describe("micro: sockets", "BM_SlotReserve",
           "an id reserved and its slot given back, in a table that is 0, 50 or 99 % full");
  benchmark::RegisterBenchmark("BM_SlotReserve", BM_SlotReserve)
      ->ArgNames({"slots", "full_percent"})
      ->ArgsProduct({values({65'536}, {1'024, 65'536, 1'048'576}), {0, 50, 99}});
}

}  // namespace skysock::bench
