// Does a handle or name lead to its service as long as that lives, and to nobody after?

#include "core/service/registry.hpp"

#include <gtest/gtest.h>

#include <set>

namespace skysock {
namespace {

/// Ends the life of a service that nobody ran.
void end(Registry& registry, Service& service) {
  ASSERT_TRUE(registry.remove(service.handle));
  service.mailbox.close(service.handle);
  service.mailbox.end_life();
  registry.release(service);
}

TEST(Registry, TheFirstHandlesAreOneTwoThree) {
  Registry registry;
  for (const ServiceHandle expected : {1U, 2U, 3U}) {
    EXPECT_EQ(registry.add("x")->handle, expected);
  }
  EXPECT_EQ(registry.size(), 3U);
}

TEST(Registry, FindLeadsToTheServiceAndUnknownPlacesToNobody) {
  Registry registry;
  Service* service = registry.add("x");
  EXPECT_EQ(registry.find(service->handle), service);
  EXPECT_EQ(registry.find(100'000), nullptr);
  // Nobody's place, whose mailbox refuses.
  EXPECT_EQ(registry.find(0)->mailbox.push(0, {}), Mailbox::Pushed::refused);
}

TEST(Registry, AStaleHandleNeverReachesTheNextServiceInItsPlace) {
  Registry registry(0);
  Service* first = registry.add("first");
  const ServiceHandle stale = first->handle;
  end(registry, *first);
  Service* second = registry.add("second");
  ASSERT_EQ(second, first) << "no spare places: this one is used again";
  EXPECT_NE(second->handle, stale);
  EXPECT_EQ(registry.find(stale)->mailbox.push(stale, {}), Mailbox::Pushed::refused);
  EXPECT_FALSE(registry.remove(stale));
  EXPECT_FALSE(registry.name(stale, "stale"));
  EXPECT_EQ(registry.name_of(stale), "");
  EXPECT_EQ(registry.size(), 1U);
}

TEST(Registry, AHandleComesBackOnlyAfter4096UsesOfItsPlace) {
  Registry registry(0);
  std::set<ServiceHandle> seen;
  const ServiceHandle first = 1;
  for (int turn = 0; turn < 4'096; ++turn) {
    Service* service = registry.add("x");
    ASSERT_TRUE(seen.insert(service->handle).second) << "turn " << turn;
    ASSERT_NE(service->handle, 0U);
    end(registry, *service);
  }
  EXPECT_EQ(registry.add("x")->handle, first) << "the count wraps";
}

TEST(Registry, APlaceRestsUntilManyOthersAreFree) {
  Registry registry;
  std::set<Service*> places;
  for (std::size_t turn = 0; turn <= Registry::kSparePlaces; ++turn) {
    Service* service = registry.add("x");
    ASSERT_TRUE(places.insert(service).second) << "turn " << turn;
    end(registry, *service);
  }
  EXPECT_TRUE(places.contains(registry.add("x")));
}

TEST(Registry, G05_MoreThan65536ServicesFit) {
  Registry registry;
  constexpr std::size_t kServices = 70'000;
  std::set<Service*> services;
  for (std::size_t turn = 0; turn < kServices; ++turn) {
    Service* service = registry.add("x");
    ASSERT_NE(service, nullptr);
    ASSERT_EQ(registry.find(service->handle), service);
    services.insert(service);
  }
  EXPECT_EQ(services.size(), kServices);
  EXPECT_EQ(registry.size(), kServices);
}

TEST(Registry, RemoveIsTrueOnceAndKeepsTheNameOfWhoIsStillEnding) {
  Registry registry;
  Service* service = registry.add("ending");
  const ServiceHandle handle = service->handle;
  EXPECT_TRUE(registry.remove(handle));
  EXPECT_FALSE(registry.remove(handle));
  EXPECT_FALSE(registry.remove(0));
  EXPECT_FALSE(registry.remove(100'000));
  EXPECT_EQ(registry.size(), 0U);
  EXPECT_EQ(registry.name_of(handle), "ending");
}

TEST(Registry, NamesLeadToTheirServiceUntilItIsRemoved) {
  Registry registry;
  const ServiceHandle handle = registry.add("x")->handle;
  const ServiceHandle other = registry.add("y")->handle;
  EXPECT_EQ(registry.query("db"), 0U);
  EXPECT_TRUE(registry.name(handle, "db"));
  EXPECT_TRUE(registry.name(handle, "alias"));
  EXPECT_FALSE(registry.name(other, "db")) << "taken";
  EXPECT_EQ(registry.query("db"), handle);
  EXPECT_EQ(registry.query("alias"), handle);
  registry.remove(handle);
  EXPECT_EQ(registry.query("db"), 0U);
  EXPECT_EQ(registry.query("alias"), 0U);
  EXPECT_TRUE(registry.name(other, "db"));
  EXPECT_EQ(registry.query("db"), other);
}

TEST(Registry, NobodyAndNothingCannotBeNamed) {
  Registry registry;
  Service* service = registry.add("x");
  EXPECT_FALSE(registry.name(0, "zero"));
  EXPECT_FALSE(registry.name(99, "unknown"));
  EXPECT_FALSE(registry.name(service->handle, ""));
  registry.remove(service->handle);
  EXPECT_FALSE(registry.name(service->handle, "late"));
}

TEST(Registry, AClosedRegistryListsWhatItHasAndAddsNothing) {
  Registry registry;
  const ServiceHandle first = registry.add("a")->handle;
  const ServiceHandle second = registry.add("b")->handle;
  const ServiceHandle third = registry.add("c")->handle;
  registry.remove(second);
  EXPECT_EQ(registry.close(), (std::vector<ServiceHandle>{first, third}));
  EXPECT_EQ(registry.add("late"), nullptr);
}

TEST(Registry, TheLongestMailboxIsFound) {
  Registry registry;
  EXPECT_EQ(registry.longest_mailbox(), 0U);
  Service* one = registry.add("a");
  Service* two = registry.add("b");
  one->mailbox.push(one->handle, {});
  for (int turn = 0; turn < 3; ++turn) two->mailbox.push(two->handle, {});
  EXPECT_EQ(registry.longest_mailbox(), 3U);
  EXPECT_EQ(registry.mailbox_length(one->handle), 1U);
  EXPECT_EQ(registry.mailbox_length(0), 0U);
}

}  // namespace
}  // namespace skysock
