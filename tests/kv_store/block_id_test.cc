// Names of contexts are the same on every machine and compiler. The golden ids were computed with
// Python's hashlib from the grammar in docs/kv_format.md.
#include "kv_store/block_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace coterie {
namespace {

using ::testing::HasSubstr;

BlockId Root(const std::vector<absl::string_view>& fields) { return RootId(fields); }

TEST(BlockIdTest, ChainHasItsGoldenIds) {
  const BlockId root = Root({"gemma", "bf16/1", "", "tenant"});
  EXPECT_EQ(root.Hex(), "af375cd44f713935b6b2facbe264746056f0ad4dc367026516cf2749eb823989");
  std::vector<int32_t> tokens(kStoreBlockTokens);
  std::iota(tokens.begin(), tokens.end(), 0);
  const BlockId first = ChildId(root, tokens);
  EXPECT_EQ(first.Hex(), "39ba9ad2e0f75e0d0c3f9002db0e4125e9a5b420bd0bbb69026c538df6b974b8");
  tokens.assign(kStoreBlockTokens, -1);
  tokens.back() = 262143;
  EXPECT_EQ(ChildId(first, tokens).Hex(),
            "ebe3972c1f9d852ce17144956161635c72eddbf52c5ffade72455aec64c9cfff");
}

TEST(BlockIdTest, RootWithoutFieldsIsTheDomainAlone) {
  EXPECT_EQ(Root({}).Hex(), "fab3f51b070cd3301d276ac8be4dbdcf4582130279faa3ef0204c108e29e39d5");
}

TEST(BlockIdTest, WhatBelongsToOneFieldIsNotTakenForTheNext) {
  std::set<BlockId> roots;
  for (const auto& fields : std::vector<std::vector<absl::string_view>>{
           {"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"abc"}, {"abc", "", ""}}) {
    EXPECT_TRUE(roots.insert(Root(fields)).second);
  }
}

TEST(BlockIdTest, EveryTokenAndTheParentCount) {
  const BlockId root = Root({"m"});
  std::vector<int32_t> tokens(kStoreBlockTokens, 7);
  std::set<BlockId> ids = {ChildId(root, tokens), ChildId(Root({"n"}), tokens)};
  for (int32_t& token : tokens) {
    token = 8;
    EXPECT_TRUE(ids.insert(ChildId(root, tokens)).second);
    token = 7;
  }
  EXPECT_EQ(ids.size(), kStoreBlockTokens + 2);
}

TEST(BlockIdTest, TextIsReadBack) {
  const BlockId id = Root({"m"});
  EXPECT_EQ(BlockId::FromHex(id.Hex()).value(), id);
  for (const std::string& bad :
       {std::string(), id.Hex().substr(1), id.Hex() + "0", "g" + id.Hex().substr(1)}) {
    const absl::StatusOr<BlockId> read = BlockId::FromHex(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << bad;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr("64 hexadecimal digits"));
  }
}

TEST(ObjectKeyTest, KindsAndRepresentationsAreApart) {
  const BlockId id = Root({"m"});
  EXPECT_EQ((ObjectKey{id, BlockKind::kLocal, 3}.Text()), id.Hex() + ":2:3");
  const std::set<ObjectKey> keys = {{id, BlockKind::kGlobal, 1},
                                    {id, BlockKind::kGlobal, 2},
                                    {id, BlockKind::kLocal, 1},
                                    {ChildId(id, std::vector<int32_t>(64)), BlockKind::kGlobal, 1}};
  EXPECT_EQ(keys.size(), 4u);
}

}  // namespace
}  // namespace coterie
