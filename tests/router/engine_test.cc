// The engine with experts in this process: many threads submit, read and cancel while one thread
// steps the model. Small enough for ThreadSanitizer, which cannot follow gRPC's own locks.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <thread>

#include "prometheus/registry.h"
#include "router/router_stack.h"
#include "router/sampling/sampler.h"
#include "tests/testing/goldens.h"
#include "tests/testing/local_forward.h"

namespace coterie {
namespace {

class EngineTest : public testing::Test {
 protected:
  explicit EngineTest(int64_t prefill_chunk = 8, int64_t max_context = 200) {
    RouterOptions options;
    options.model = kCheckpoints + "tiny_q4_0.gguf";
    options.num_threads = 2;
    options.prefill_chunk = prefill_chunk;
    options.kv_bytes = 16 << 20;
    options.engine = {.max_sequences = 3, .max_queued = 64, .max_context = max_context};
    stack_ = *RouterStack::Create(std::move(options), registry_);
  }
  ~EngineTest() override { stack_->Stop(absl::Now() + absl::Seconds(60)); }

  std::shared_ptr<TokenStream> Submit(std::vector<int32_t> prompt, int64_t max_tokens) {
    EngineRequest request;
    request.prompt = std::move(prompt);
    request.max_tokens = max_tokens;
    return *stack_->engine().Submit(std::move(request));
  }
  // All tokens, and how it ended.
  static std::vector<int32_t> Read(TokenStream& stream, EndEvent* end = nullptr) {
    std::vector<int32_t> ids;
    for (;;) {
      if (const auto token = stream.Next(absl::Seconds(60))) {
        ids.push_back(token->id);
      } else if (const auto ended = stream.ended()) {
        if (end != nullptr) *end = *ended;
        return ids;
      }
    }
  }

  prometheus::Registry registry_;
  std::unique_ptr<RouterStack> stack_;
  const std::vector<Golden> goldens_ = ReadGoldens();
};

TEST_F(EngineTest, ConcurrentSequencesGetTheirSoloTokens) {
  std::vector<std::vector<int32_t>> solo, together(6);
  for (size_t i = 0; i < together.size(); ++i) solo.push_back(Read(*Submit(goldens_[i].prompt, 6)));
  std::vector<std::thread> callers;
  for (size_t i = 0; i < together.size(); ++i)
    callers.emplace_back([&, i] { together[i] = Read(*Submit(goldens_[i].prompt, 6)); });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(together, solo);
}

TEST_F(EngineTest, CancelledSequencesGiveTheirMemoryBack) {
  std::vector<std::shared_ptr<TokenStream>> streams;
  streams.reserve(6);
  for (int i = 0; i < 6; ++i) streams.push_back(Submit(goldens_[0].prompt, 150));
  for (const auto& stream : streams) stream->Cancel();
  for (const auto& stream : streams) {
    EndEvent end;
    Read(*stream, &end);
    EXPECT_EQ(end.status.code(), absl::StatusCode::kCancelled);
  }
  const std::vector<int32_t> after = Read(*Submit(goldens_[1].prompt, 4));
  EXPECT_EQ(after.size(), 4u);
}

TEST_F(EngineTest, ACancelledSequenceGetsAtMostTheTokenOfTheStepInHand) {
  EndEvent end;
  // This thread may be put aside for longer than the answer takes.
  for (int i = 0; i < 100 && end.status.code() != absl::StatusCode::kCancelled; ++i) {
    const double before = stack_->metrics().generated_tokens.Value();
    const auto stream = Submit(goldens_[0].prompt, 150);
    ASSERT_TRUE(stream->Next(absl::Seconds(60)).has_value());
    stream->Cancel();
    const double generated = stack_->metrics().generated_tokens.Value() - before;
    Read(*stream, &end);
    EXPECT_LE(static_cast<double>(end.usage.generated_tokens), generated + 1);
  }
  EXPECT_EQ(end.status.code(), absl::StatusCode::kCancelled);
}

TEST_F(EngineTest, RefusesMoreAnswersThanMayEverWait) {
  EngineRequest request;
  request.prompt = goldens_[0].prompt;
  const absl::Status refused = stack_->engine().Submit(std::move(request), 65).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << refused;
}

// A constraint that lets everything come, and one that decides when the answer ends.
class FreeConstraint final : public TokenConstraint {
 public:
  explicit FreeConstraint(bool decides_end) : decides_end_(decides_end) {}
  void Apply(std::span<float>) override {}
  bool active() const override { return true; }
  bool decides_end() const override { return decides_end_; }
  void Append(int32_t) override {}

 private:
  const bool decides_end_;
};

TEST_F(EngineTest, MinTokensHoldsBesideAConstraintThatDoesNotDecideTheEnd) {
  for (const bool decides_end : {false, true}) {
    EngineRequest request;
    request.prompt = goldens_[0].prompt;
    request.max_tokens = 20;
    request.stop_ids = {7};
    request.rules = {.bias = {{7, 100.0f}}, .min_tokens = 5};
    request.constraint = [=] { return std::make_unique<FreeConstraint>(decides_end); };
    EndEvent end;
    const auto stream = *stack_->engine().Submit(std::move(request));
    EXPECT_EQ(Read(*stream, &end).size(), decides_end ? 0u : 5u);
    EXPECT_EQ(end.reason, EndReason::kStopToken);
  }
}

TEST_F(EngineTest, RefusesWhatCanNeverFit) {
  EngineRequest request;
  request.prompt.assign(200, 7);
  EXPECT_EQ(stack_->engine().Submit(std::move(request)).status().code(),
            absl::StatusCode::kOutOfRange);
}

// A step of one token needs no more of the ring than the window, and a cache for chunks of 512
// does not come round within these tokens. A step of 58 tokens and the 7 before it are one position
// more than a block has; one of 122, one more than two.
class ChunkTest : public EngineTest, public testing::WithParamInterface<int64_t> {
 protected:
  ChunkTest() : EngineTest(GetParam(), 500) {}
};

TEST_P(ChunkTest, ASlidingRingThatComesRoundGivesTheBitsOfOneTokenAtATime) {
  EngineRequest request;
  for (size_t i = 0; request.prompt.size() < 460; ++i)
    request.prompt.insert(request.prompt.end(), goldens_[i].prompt.begin(),
                          goldens_[i].prompt.end());
  request.prompt.resize(460);
  request.max_tokens = 24;
  request.num_logprobs = 1;
  std::vector<int32_t> tokens = request.prompt;
  const auto stream = *stack_->engine().Submit(std::move(request));
  std::vector<float> logprobs;
  while (const auto token = stream->Next(absl::Seconds(60))) {
    tokens.push_back(token->id);
    logprobs.push_back(token->logprobs.chosen);
  }
  ASSERT_EQ(logprobs.size(), 24u);

  LocalForward local({.model = kCheckpoints + "tiny_q4_0.gguf"});
  const std::vector<float> logits = local.Logits(tokens, 1);
  for (size_t i = 0; i < logprobs.size(); ++i) {
    // The logits of a position are those of the token after it.
    const std::span<const float> row(logits.data() + (460 + i - 1) * kTinyVocab, kTinyVocab);
    EXPECT_EQ(tokens[460 + i], std::max_element(row.begin(), row.end()) - row.begin())
        << "token " << i;
    EXPECT_EQ(logprobs[i], ComputeLogprobs(row, tokens[460 + i], 0).chosen) << "token " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Chunks, ChunkTest, testing::Values(8, 58, 122, 200));

}  // namespace
}  // namespace coterie
