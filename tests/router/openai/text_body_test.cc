// What a text request may say.
#include "router/openai/text_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "router/openai/api_error.h"
#include "router/openai/json_text.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<TextBody> Read(const std::string& text) {
  const auto body = ParseBody(text);
  if (!body.ok()) return body.status();
  return ReadTextBody(*body);
}

TEST(TextBodyTest, ReadsAPromptWithOpenAisDefaults) {
  const auto text = Read(R"({"prompt":"Once"})");
  ASSERT_TRUE(text.ok()) << text.status();
  ASSERT_EQ(text->requests.size(), 1U);
  EXPECT_EQ(text->requests[0].text, "Once");
  EXPECT_TRUE(text->requests[0].parse_control);
  EXPECT_FALSE(text->requests[0].show_control);
  EXPECT_EQ(text->requests[0].options.max_tokens, 16);
  EXPECT_EQ(text->requests[0].options.sampling.temperature, 1);
  EXPECT_FALSE(text->requests[0].options.logprobs);
}

TEST(TextBodyTest, ReadsEveryFormOfPrompt) {
  auto text = Read(R"({"prompt":[1,2,3]})");
  ASSERT_TRUE(text.ok()) << text.status();
  ASSERT_EQ(text->requests.size(), 1U);
  EXPECT_THAT(text->requests[0].tokens, ElementsAre(1, 2, 3));
  text = Read(R"({"prompt":["a","b"],"logprobs":0,"skip_special_tokens":false,"n":2,"best_of":2})");
  ASSERT_TRUE(text.ok()) << text.status();
  ASSERT_EQ(text->requests.size(), 2U);
  EXPECT_EQ(text->requests[1].text, "b");
  EXPECT_TRUE(text->requests[1].options.logprobs);
  EXPECT_TRUE(text->requests[1].show_control);
  EXPECT_EQ(text->requests[1].options.num_choices, 2);
  text = Read(R"({"prompt":[[1],[2,3]]})");
  ASSERT_TRUE(text.ok()) << text.status();
  ASSERT_EQ(text->requests.size(), 2U);
  EXPECT_THAT(text->requests[1].tokens, ElementsAre(2, 3));
}

TEST(TextBodyTest, NamesTheFieldAtFault) {
  struct Bad {
    std::string body, param, message;
  };
  std::string prompts = R"({"prompt":["x")";
  for (int i = 0; i < 64; ++i) prompts += R"(,"x")";
  for (const Bad& bad : std::vector<Bad>{
           {"{}", "prompt", "is missing"},
           {R"({"prompt":7})", "prompt", "is an integer"},
           {R"({"prompt":[]})", "prompt", "is empty"},
           {R"({"prompt":[1,"a"]})", "prompt", "expected ids of tokens"},
           {R"({"prompt":[1,-2]})", "prompt", "has -2"},
           {R"({"prompt":[1,2147483648]})", "prompt", "has 2147483648"},
           {R"({"prompt":[1,1.5]})", "prompt", "has 1.5"},
           {R"({"prompt":["a",{}]})", "prompt[1]", "is an object"},
           {R"({"prompt":[[1],[]]})", "prompt[1]", "is an array"},
           {prompts + "]}", "prompt", "at most 64"},
           {R"({"prompt":"a","logprobs":6})", "logprobs", "from 0 to 5"},
           {R"({"prompt":"a","logprobs":true})", "logprobs", "is a boolean"},
           {R"({"prompt":"a","echo":true})", "echo", "not supported"},
           {R"({"prompt":"a","suffix":"b"})", "suffix", "not supported"},
           {R"({"prompt":"a","best_of":3})", "best_of", "equal to `n`"},
       }) {
    const auto text = Read(bad.body);
    ASSERT_FALSE(text.ok()) << bad.body;
    EXPECT_EQ(FieldOf(text.status()), bad.param) << bad.body;
    EXPECT_THAT(std::string(text.status().message()), HasSubstr(bad.message));
  }
}

}  // namespace
}  // namespace coterie
