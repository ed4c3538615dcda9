#include "router/kv/context_names.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/testing/store_router.h"

namespace coterie {
namespace {

std::vector<BlockId> NamesOf(const ContextNames& names, const std::string& tenant,
                             std::span<const int32_t> tokens) {
  std::vector<BlockId> ids;
  ContextNames::Name name = names.Root(tenant);
  for (size_t at = 0; at + kStoreBlockTokens <= tokens.size(); at += kStoreBlockTokens) {
    name = names.Child(tenant, name, tokens.subspan(at, kStoreBlockTokens));
    ids.push_back(name.id);
  }
  return ids;
}

std::vector<int32_t> Joined(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(ContextNamesTest, WithoutPublicPromptsTenantsShareNoName) {
  const ContextNames names({"model"}, {});
  const std::vector<int32_t> tokens = SomeTokens(256, 1);
  std::set<BlockId> all;
  for (const std::string tenant : {"", "a", "b", "public"}) {
    const std::vector<BlockId> own = NamesOf(names, tenant, tokens);
    all.insert(own.begin(), own.end());
  }
  EXPECT_EQ(all.size(), 16U);
  EXPECT_EQ(names.NumPublic(tokens), 0);
}

TEST(ContextNamesTest, APublicPromptHasOneNameAndWhatFollowsOneForEachTenant) {
  const std::vector<int32_t> prompt = SomeTokens(3 * 64 + 20, 1), more = SomeTokens(200, 2);
  const ContextNames names({"model"}, {prompt});
  const std::vector<int32_t> tokens = Joined(prompt, more);
  const std::vector<BlockId> a = NamesOf(names, "a", tokens), b = NamesOf(names, "b", tokens);
  ASSERT_EQ(a.size(), 6U);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i] == b[i], i < 3) << i;
  EXPECT_EQ(names.NumPublic(tokens), 192);
  // One block of it is public too.
  EXPECT_EQ(names.NumPublic(std::span(tokens).first(100)), 64);
  EXPECT_EQ(NamesOf(names, "a", std::span(tokens).first(64)).front(), a.front());
}

TEST(ContextNamesTest, WhatPartsFromAPublicPromptIsTheTenants) {
  const std::vector<int32_t> prompt = SomeTokens(256, 1);
  const ContextNames names({"model"}, {prompt});
  for (const size_t at : {0, 63, 64, 130, 255}) {
    std::vector<int32_t> tokens = prompt;
    tokens[at] ^= 1;
    const std::vector<BlockId> a = NamesOf(names, "a", tokens), b = NamesOf(names, "b", tokens);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i] == b[i], i < at / 64) << at << " " << i;
  }
  // Its blocks elsewhere are not public.
  const std::vector<int32_t> shifted = Joined(SomeTokens(64, 5), prompt);
  EXPECT_NE(NamesOf(names, "a", shifted).back(), NamesOf(names, "b", shifted).back());
}

TEST(ContextNamesTest, ATenantCannotNameAnothersRoot) {
  const std::vector<int32_t> prompt = SomeTokens(64, 1), tokens = Joined(prompt, SomeTokens(64, 2));
  const ContextNames names({"model"}, {prompt});
  std::set<BlockId> last;
  const std::vector<std::string> tenants = {"", "a", "public", std::string("a\0public", 8),
                                            NamesOf(names, "a", prompt).front().Hex()};
  for (const std::string& tenant : tenants) last.insert(NamesOf(names, tenant, tokens).back());
  EXPECT_EQ(last.size(), tenants.size());
}

TEST(ContextNamesTest, RoutersWithAndWithoutItShareWhatIsNotPublic) {
  const ContextNames with({"model"}, {SomeTokens(128, 1)}), without({"model"}, {});
  const std::vector<int32_t> other = SomeTokens(128, 2);
  EXPECT_EQ(NamesOf(with, "a", other), NamesOf(without, "a", other));
}

}  // namespace
}  // namespace coterie
