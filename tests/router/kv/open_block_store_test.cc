#include "router/kv/open_block_store.h"

#include <gtest/gtest.h>

namespace coterie {
namespace {

TEST(OpenBlockStoreTest, NothingIsNoStoreAndMemoryIsOne) {
  const auto none = OpenBlockStore("");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, nullptr);
  const auto memory = OpenBlockStore("memory:1000");
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_NE(*memory, nullptr);
}

TEST(OpenBlockStoreTest, AnythingElseIsRefused) {
  for (const char* name : {"memory", "memory:", "memory:0", "memory:-1", "memory:8GiB", "Memory:9",
                           "memory:99999999999999999999", " "}) {
    EXPECT_EQ(OpenBlockStore(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace coterie
