#include "router/frontend/tenants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace coterie {
namespace {

using ::testing::HasSubstr;

TEST(TenantsTest, AKeyNamesItsTenant) {
  const auto tenants = Tenants::Parse(
      "# who may call\n"
      "alice key-a 2.5\r\n"
      "bob\tkey-b   # the second\n\n"
      "alice key-a2\n");
  ASSERT_TRUE(tenants.ok()) << tenants.status();
  EXPECT_EQ(*tenants->TenantOf("key-a"), "alice");
  EXPECT_EQ(*tenants->TenantOf("key-a2"), "alice");
  EXPECT_EQ(*tenants->TenantOfAuthorization("Bearer key-b"), "bob");
  EXPECT_EQ(*tenants->TenantOfAuthorization("bearer  key-b "), "bob");
  EXPECT_EQ(tenants->weights(), (std::map<std::string, double>{{"alice", 2.5}}));
}

TEST(TenantsTest, AKeyThatIsNotThereIsRefusedAndNotRepeated) {
  const auto tenants = *Tenants::Parse("alice key-a");
  for (const char* key : {"", "key", "key-a ", "alice"}) {
    const auto tenant = tenants.TenantOf(key);
    EXPECT_EQ(tenant.status().code(), absl::StatusCode::kUnauthenticated) << key;
  }
  EXPECT_THAT(tenants.TenantOf("s3cret").status().message(), Not(HasSubstr("s3cret")));
}

TEST(TenantsTest, APriorityIsWhatTheKeysLineSays) {
  const auto tenants = *Tenants::Parse("alice key-a 1 20\nbob key-b\ncarol key-c 2 -5\n");
  EXPECT_EQ(tenants.PriorityMaxOf("alice"), 20);
  EXPECT_EQ(tenants.PriorityMaxOf("bob"), 0);
  EXPECT_EQ(tenants.PriorityMaxOf("carol"), -5);
  // Without keys nobody is kept from anybody.
  EXPECT_EQ(Tenants().PriorityMaxOf(""), 100);
}

TEST(TenantsTest, WithoutAFileAllAreOneTenant) {
  EXPECT_EQ(*Tenants().TenantOf(""), "");
  EXPECT_EQ(*Tenants().TenantOf("whatever"), "");
}

TEST(TenantsTest, BadFilesAreOneClearError) {
  const struct {
    const char* text;
    const char* said;
  } cases[] = {
      {"", "no key"},
      {"# nobody\n", "no key"},
      {"alice\n", "line 1 has 1 words"},
      {"a k 1 2 3\n", "5 words"},
      {"a k\nb k\n", "line 2"},
      {"a k x\n", "weight"},
      {"a k 1 900\n", "priority"},
      {"a k nan\n", "weight"},
      {"a k -1\n", "weight"},
      {"a k 0\n", "weight"},
  };
  for (const auto& c : cases) {
    const auto tenants = Tenants::Parse(c.text);
    EXPECT_EQ(tenants.status().code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(tenants.status().message(), HasSubstr(c.said)) << c.text;
  }
  EXPECT_THAT(Tenants::Load("/nonexistent/keys").status().message(),
              HasSubstr("/nonexistent/keys"));
}

}  // namespace
}  // namespace coterie
