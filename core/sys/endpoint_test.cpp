// Are addresses read, written and resolved as a person means them? Left out: names that need a DNS
// server.

#include "core/sys/endpoint.hpp"

#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/un.h>

#include <algorithm>

namespace skysock {
namespace {

TEST(Endpoint, ADefaultEndpointIsEmpty) {
  const Endpoint endpoint;
  EXPECT_TRUE(endpoint.empty());
  EXPECT_EQ(endpoint.port(), 0);
  EXPECT_EQ(endpoint.host(), "");
  EXPECT_EQ(endpoint.text(), "");
}

TEST(Endpoint, ANumericAddressIsWrittenBack) {
  const auto v4 = Endpoint::from_numeric("127.0.0.1", 8001);
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->family(), AF_INET);
  EXPECT_EQ(v4->host(), "127.0.0.1");
  EXPECT_EQ(v4->port(), 8001);
  EXPECT_EQ(v4->text(), "127.0.0.1:8001");
  const auto longest = Endpoint::from_numeric("255.255.255.255", 65535);
  ASSERT_TRUE(longest);
  EXPECT_EQ(longest->host(), "255.255.255.255");
  EXPECT_EQ(longest->text(), "255.255.255.255:65535");
  const auto v6 = Endpoint::from_numeric("0:0::1", 65535);
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->family(), AF_INET6);
  EXPECT_EQ(v6->text(), "[::1]:65535");
}

TEST(Endpoint, OnlyACompleteNumericAddressIsTaken) {
  for (const char* text : {"", "localhost", "127.0.0", "127.0.0.256", "127.0.0.1 ", "1",
                           "::1::", "[::1]", "0x7f.0.0.1", "127.0.0.1:80"}) {
    EXPECT_FALSE(Endpoint::from_numeric(text, 1)) << text;
  }
}

TEST(Endpoint, AKernelAddressIsCopied) {
  const auto source = Endpoint::from_numeric("10.1.2.3", 99).value();
  EXPECT_EQ(Endpoint::from_sockaddr(source.data(), source.size()).text(), "10.1.2.3:99");
}

TEST(Endpoint, AKernelAddressOfAnotherFamilyIsEmpty) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  const auto* address = reinterpret_cast<const sockaddr*>(&local);
  EXPECT_TRUE(Endpoint::from_sockaddr(address, sizeof local).empty());
}

TEST(ParseHostPort, HostAndPortAreSplitAtTheLastColon) {
  EXPECT_EQ(parse_host_port("127.0.0.1:80").value(), (HostPort{"127.0.0.1", 80}));
  EXPECT_EQ(parse_host_port("example.org:0").value(), (HostPort{"example.org", 0}));
  EXPECT_EQ(parse_host_port("[::1]:65535").value(), (HostPort{"::1", 65535}));
  EXPECT_EQ(parse_host_port(":80").value(), (HostPort{"", 80}));
}

TEST(ParseHostPort, AnythingElseIsAnInvalidArgument) {
  for (const char* text :
       {"", "host", "host:", "host:x", "host:80x", "host: 80", "host:-1", "host:65536",
        "host:99999999999", "::1:80", "[::1:80", "[::1]", "host:+80"}) {
    const auto parsed = parse_host_port(text);
    EXPECT_FALSE(parsed) << text;
    if (!parsed) {
      EXPECT_EQ(parsed.error(), std::errc::invalid_argument);
    }
  }
}

TEST(Resolve, ANumericAddressResolvesToItself) {
  const auto endpoints = resolve("127.0.0.1", 8001);
  ASSERT_TRUE(endpoints) << endpoints.error().message();
  ASSERT_EQ(endpoints->size(), 1U);
  EXPECT_EQ(endpoints->front().text(), "127.0.0.1:8001");
  EXPECT_EQ(resolve("::1", 2).value().front().text(), "[::1]:2");
}

TEST(Resolve, AnImpossibleNameFailsInTheResolversWords) {
  // Refused by its form: no server is asked.
  const auto endpoints = resolve("not a host name", 1);
  ASSERT_FALSE(endpoints);
  EXPECT_EQ(std::string(endpoints.error().category().name()), "resolver");
  EXPECT_EQ(endpoints.error().message(), gai_strerror(endpoints.error().value()));
}

}  // namespace
}  // namespace skysock
