// Replies of /v1/completions.
#include "router/openai/text_writer.h"

#include <gtest/gtest.h>

#include <string>

#include "router/openai/json_text.h"
#include "tests/router/openai/fakes.h"
#include "tests/router/openai/sse_reader.h"

namespace coterie {
namespace {

const ReplyStamp kStamp = {.token = "t", .created = 7, .model = "m", .fingerprint = "fp"};

std::string Write(const ReplyForm& form, const Script& script) {
  const auto writer = MakeTextWriter(form, kStamp);
  std::string out = writer->Begin(AnswerUsage());
  for (const auto& deltas : script) {
    for (const AnswerDelta& delta : deltas) out += writer->Add(delta);
  }
  return out + writer->Finish({.prompt_tokens = 2, .generated_tokens = 3});
}

AnswerDelta WithTokens() {
  AnswerDelta delta = Delta({Content("h\xC3\xA9llo")});
  delta.tokens = {{.id = 1,
                   .text = "h\xC3\xA9",
                   .logprob = -1,
                   .top = {{1, -1.0F}, {9, -2.0F}, {8, -3.0F}},
                   .top_text = {"h\xC3\xA9", "x", "x"}},
                  {.id = 2, .text = "llo", .logprob = -2}};
  return delta;
}

TEST(TextWriterTest, AnAnswerIsToTheByte) {
  EXPECT_EQ(Write({}, ScriptOf({{Content("Hi")}, {Content(" you")}}, FinishReason::kLength)),
            R"({"id":"cmpl-t","object":"text_completion","created":7,"model":"m",)"
            R"("system_fingerprint":"fp","choices":[{"text":"Hi you","index":0,"logprobs":null,)"
            R"("finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":3,)"
            R"("total_tokens":5,"prompt_tokens_details":{"cached_tokens":0},)"
            R"("completion_tokens_details":{"reasoning_tokens":0}}})");
}

TEST(TextWriterTest, LogprobsAreColumnsWhoseOffsetsCountCharacters) {
  const Script script = {{WithTokens()}, {Last(FinishReason::kStop)}};
  const std::string expected = R"({"tokens":["hé","llo"],"token_logprobs":[-1.0,-2.0],)"
                               R"("top_logprobs":[{"hé":-1.0,"x":-2.0},{}],"text_offset":[0,2]})";
  const auto whole = ParseChatJson(Write({.logprobs = true}, script));
  EXPECT_EQ(DumpJson(whole->at("choices")[0]["logprobs"]), expected);
  const auto chunks = ReadEventJson(Write({.stream = true, .logprobs = true}, script));
  EXPECT_EQ(DumpJson(chunks[0]["choices"][0]["logprobs"]), expected);
}

TEST(TextWriterTest, AStreamHasTheTextInPiecesAndTheUsageAtTheEnd) {
  AnswerDelta last = Last(FinishReason::kStop);
  last.matched_stop = "\n\n";
  const Script script = {{Delta({Content("a")}), Delta({}), Delta({Content("b")}, 1)},
                         {last, Last(FinishReason::kRepetition, 1)}};
  const auto chunks = ReadEventJson(Write({.stream = true, .include_usage = true}, script));
  ASSERT_EQ(chunks.size(), 5U);
  EXPECT_EQ(chunks[0]["choices"][0]["text"], "a");
  EXPECT_TRUE(chunks[0]["choices"][0]["finish_reason"].is_null());
  EXPECT_EQ(chunks[1]["choices"][0]["index"], 1);
  EXPECT_EQ(chunks[2]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(chunks[2]["choices"][0]["stop_reason"], "\n\n");
  EXPECT_EQ(chunks[3]["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(chunks[3]["choices"][0]["stop_reason"], "repetition");
  EXPECT_EQ(chunks[4]["choices"], ChatJson::array());
  EXPECT_EQ(chunks[4]["usage"]["total_tokens"], 5);
}

}  // namespace
}  // namespace coterie
