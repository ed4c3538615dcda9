// Streams that the test fills, as one answer.
#include "router/frontend/engine_answer.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "prometheus/registry.h"
#include "tests/model/chat/chat_tokenizers.h"

namespace coterie {
namespace {

class EngineAnswerTest : public testing::Test {
 protected:
  EngineAnswer Answer(size_t num_choices, std::vector<std::string> stop = {}) {
    for (size_t i = 0; i < num_choices; ++i) streams_.push_back(std::make_shared<TokenStream>());
    return EngineAnswer(tokenizer_.get(), {.reader = {.stop = std::move(stop)}}, streams_,
                        &metrics_);
  }
  // How many answers have ended so.
  double Ended(const std::string& reason) {
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      if (family.name != "router_answers_total") continue;
      for (const prometheus::ClientMetric& metric : family.metric) {
        if (metric.label.front().value == reason) return metric.counter.value;
      }
    }
    return -1;
  }
  void Put(size_t choice, const std::string& text) {
    const std::vector<int32_t> tokens = *tokenizer_->Encode(text, ControlTokens::kPlainText);
    for (const int32_t token : tokens) streams_[choice]->Put({.id = token});
  }

  const std::unique_ptr<const Tokenizer> tokenizer_ = ReadTokenizer("trained");
  prometheus::Registry registry_;
  RouterMetrics metrics_{registry_, 1, 1};
  std::vector<std::shared_ptr<TokenStream>> streams_;
};

// A client who was away is given what has gathered piece by piece: all at once, it would be more
// than may wait to be written.
TEST_F(EngineAnswerTest, WhatHasGatheredComesInPieces) {
  EngineAnswer answer = Answer(1);
  std::string text;
  for (int i = 0; i < 500; ++i) text += "word ";
  Put(0, text);
  streams_[0]->End({.reason = EndReason::kLength});
  std::string read;
  int num_polls = 0;
  for (; !answer.done(); ++num_polls) {
    for (const AnswerDelta& delta : answer.Poll()) {
      EXPECT_LE(delta.tokens.size(), 64u);
      for (const ChatEvent& event : delta.events) read += event.text;
    }
  }
  EXPECT_EQ(read, text);
  EXPECT_GT(num_polls, 5);
}

TEST_F(EngineAnswerTest, WhatIsKnownOfAnAnswerComesThoughItsStreamHasEnded) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "word ";
  auto resumption = std::make_shared<Resumption>();
  resumption->choices.resize(1);
  resumption->drawn.push_back(*tokenizer_->Encode(text, ControlTokens::kPlainText));
  streams_.push_back(std::make_shared<TokenStream>());
  streams_[0]->End({.reason = EndReason::kStopToken, .stop_id = 1});
  EngineAnswer answer(tokenizer_.get(), {.resumption = resumption}, streams_, &metrics_);
  std::string read;
  AnswerDelta last;
  while (!answer.done()) {
    for (const AnswerDelta& delta : answer.Poll()) {
      for (const ChatEvent& event : delta.events) read += event.text;
      last = delta;
    }
  }
  EXPECT_EQ(read, text);
  EXPECT_EQ(last.finish, FinishReason::kStop);
  EXPECT_TRUE(last.status.ok()) << last.status;
}

TEST_F(EngineAnswerTest, AStopStringEndsItsChoiceAndCancelsIt) {
  EngineAnswer answer = Answer(2, {"END"});
  Put(0, "one END two");
  Put(1, "other");
  const std::vector<AnswerDelta> deltas = answer.Poll();
  ASSERT_EQ(deltas.size(), 2u);
  EXPECT_TRUE(deltas[0].last);
  EXPECT_EQ(deltas[0].matched_stop, "END");
  EXPECT_TRUE(streams_[0]->cancelled());
  EXPECT_FALSE(deltas[1].last);
  EXPECT_FALSE(streams_[1]->cancelled());
  EXPECT_FALSE(answer.done());
}

TEST_F(EngineAnswerTest, WhoLetsGoOfAnAnswerCancelsIt) {
  { const EngineAnswer answer = Answer(2); }
  EXPECT_TRUE(streams_[0]->cancelled() && streams_[1]->cancelled());
}

TEST_F(EngineAnswerTest, AnAnswerIsCountedOnceByTheReasonThatItsCallerIsTold) {
  {
    EngineAnswer answer = Answer(4, {"END"});
    Put(0, "one END two");
    streams_[1]->End({.reason = EndReason::kLength});
    streams_[2]->End({.reason = EndReason::kFailed, .status = absl::InternalError("NaN")});
    answer.Poll();
    // The engine has noticed that nobody reads on, and its end is of no interest any more.
    streams_[0]->End({.reason = EndReason::kFailed, .status = absl::CancelledError("by the door")});
    answer.Poll();
    EXPECT_EQ(Ended("cancelled"), 0);
  }
  EXPECT_EQ(Ended("stop"), 1);
  EXPECT_EQ(Ended("length"), 1);
  EXPECT_EQ(Ended("failed"), 1);
  EXPECT_EQ(Ended("cancelled"), 1) << "the one that had not ended when it was let go";
  EXPECT_EQ(Ended("tool_calls"), 0);
}

}  // namespace
}  // namespace coterie
