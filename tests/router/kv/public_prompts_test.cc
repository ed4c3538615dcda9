// Tenants see nothing of each other through a store, but for what is declared public.
#include "router/openai/public_prompts.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kv_store/client/memory_block_store.h"
#include "model/checkpoint.h"
#include "model/tokenizer.h"
#include "tests/testing/goldens.h"
#include "tests/testing/store_router.h"

namespace coterie {
namespace {

const std::string kModel = kCheckpoints + "tiny_q4_0.gguf";

std::vector<int32_t> Joined(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class PublicPromptsTest : public testing::Test {
 protected:
  StoreRouter::Options Options(BlockStore* store, bool declared) const {
    StoreRouter::Options options{.model = kModel, .store = store};
    if (declared) options.link.public_prompts = {public_};
    return options;
  }
  const std::vector<int32_t> public_ = SomeTokens(5 * 64 + 10, 1);
};

TEST_F(PublicPromptsTest, AnotherTenantFindsThePublicPartAndNoMore) {
  const std::vector<int32_t> secret = Joined(public_, SomeTokens(200, 2));
  StoreRouter plain({.model = kModel});
  const StoreRouter::Answer expected = plain.Ask(secret);
  for (const bool declared : {false, true}) {
    MemoryBlockStore store(size_t{256} << 20);
    StoreRouter router(Options(&store, declared));
    EXPECT_EQ(router.Ask(secret, 4, "one"), expected);
    router.Flush();
    // The very prompt of the other, and one that it has never sent: no difference.
    for (const std::string tenant : {"two", "three"}) {
      const std::vector<int32_t> prompt =
          tenant == "two" ? secret : Joined(public_, SomeTokens(200, 3));
      StoreRouter fresh(Options(&store, declared));
      EXPECT_EQ(fresh.Ask(prompt, 1, tenant).cached_tokens, declared ? 320 : 0) << tenant;
      // With what the first tenant has computed in the very cache.
      const StoreRouter::Answer answer = router.Ask(prompt, 4, absl::StrCat(tenant, " there"));
      EXPECT_EQ(answer.cached_tokens, declared ? 320 : 0) << tenant;
      EXPECT_EQ(answer, plain.Ask(prompt));
    }
    StoreRouter fresh(Options(&store, declared));
    EXPECT_GE(fresh.Ask(secret, 4, "one").cached_tokens, 448);
  }
}

class ReadPublicPromptsTest : public testing::Test {
 protected:
  ReadPublicPromptsTest() {
    auto checkpoint = Checkpoint::Open("tools/demo_model/checkpoint");
    CHECK(checkpoint.ok()) << checkpoint.status().ToString();
    auto vocabulary = (*checkpoint)->ReadVocabulary();
    CHECK(vocabulary.ok()) << vocabulary.status().ToString();
    auto tokenizer = Tokenizer::Create(*std::move(vocabulary));
    CHECK(tokenizer.ok()) << tokenizer.status().ToString();
    tokenizer_ = *std::move(tokenizer);
  }
  absl::StatusOr<std::vector<std::vector<int32_t>>> Read(const std::string& text) {
    const std::string path = absl::StrCat(testing::TempDir(), "/public_prompts");
    std::ofstream(path) << text;
    return ReadPublicPrompts(path, *tokenizer_);
  }
  std::unique_ptr<const Tokenizer> tokenizer_;
};

TEST_F(ReadPublicPromptsTest, ALineIsASystemPromptWithItsTools) {
  const auto prompts = Read(
      "# ours\n\n"
      R"({"messages":[{"role":"system","content":"You are an agent of the coterie."}]})"
      "\n"
      R"({"messages":[{"role":"system","content":"You are an agent of the coterie."}],)"
      R"("tools":[{"type":"function","function":{"name":"find","description":"Finds."}}]})"
      "\n");
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  ASSERT_EQ(prompts->size(), 4U);
  for (const std::vector<int32_t>& tokens : *prompts) EXPECT_GT(tokens.size(), 10U);
  EXPECT_GT((*prompts)[2].size(), (*prompts)[0].size());
  EXPECT_NE((*prompts)[0], (*prompts)[1]);  // with thinking
}

TEST_F(ReadPublicPromptsTest, WhatIsWrongIsSaidWithItsLine) {
  for (const std::string line :
       {"nonsense", "[]", "{}", R"({"messages":"text"})", R"({"messages":[{"role":"nobody"}]})"}) {
    const auto prompts = Read("# a comment\n" + line + "\n");
    EXPECT_TRUE(absl::IsInvalidArgument(prompts.status())) << line;
    EXPECT_TRUE(absl::StrContains(prompts.status().message(), "public_prompts:2")) << line;
  }
  EXPECT_TRUE(absl::IsNotFound(ReadPublicPrompts("/nowhere", *tokenizer_).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadPublicPrompts("/tmp", *tokenizer_).status()));
}

}  // namespace
}  // namespace coterie
