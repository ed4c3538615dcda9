#include "router/kv/open_block_store.h"

#include <gtest/gtest.h>

namespace coterie {
namespace {

TEST(OpenBlockStoreTest, NothingIsNoStoreAndMemoryIsOne) {
  const auto none = OpenBlockStore("", 1);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, nullptr);
  const auto memory = OpenBlockStore("memory:1000", 1);
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_NE(*memory, nullptr);
}

TEST(OpenBlockStoreTest, AddressesAreProcesses) {
  for (const char* name : {"127.0.0.1:9100", "a:1,b:65535", "unix:/tmp/socket"}) {
    const auto store = OpenBlockStore(name, 1);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_NE(*store, nullptr);
  }
  EXPECT_TRUE(OpenBlockStore("a:1,b:1", 2).ok());
  EXPECT_FALSE(OpenBlockStore("a:9100,a:9100", 1).ok());
  for (const int64_t copies : {0, 3})
    EXPECT_EQ(OpenBlockStore("a:1,b:1", copies).status().code(),
              absl::StatusCode::kInvalidArgument);
}

TEST(OpenBlockStoreTest, AnythingElseIsRefused) {
  for (const char* name :
       {"memory", "memory:", "memory:0", "memory:-1", "memory:8GiB", "memory:99999999999999999999",
        " ", "host", "host:", "host:0", "host:65536", ":9100", "a:9100,", "unix:"}) {
    EXPECT_EQ(CheckBlockStoreName(name, 1).code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(OpenBlockStore(name, 1).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace coterie
