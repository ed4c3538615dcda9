// The engine with experts in this process: many threads submit, read and cancel while one thread
// steps the model. Small enough for ThreadSanitizer, which cannot follow gRPC's own locks.
#include <gtest/gtest.h>

#include <thread>

#include "prometheus/registry.h"
#include "router/router_stack.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    RouterOptions options;
    options.model = kCheckpoints + "tiny_q4_0.gguf";
    options.num_threads = 2;
    options.prefill_chunk = 8;
    options.kv_bytes = 16 << 20;
    options.engine = {.max_sequences = 3, .max_queued = 64, .max_context = 200};
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

TEST_F(EngineTest, LongPromptsWrapTheWindowManyTimesWithTheSameTokens) {
  std::vector<int32_t> prompt;
  for (size_t i = 0; i < 5; ++i)
    prompt.insert(prompt.end(), goldens_[i].prompt.begin(), goldens_[i].prompt.begin() + 24);
  const std::vector<int32_t> first = Read(*Submit(prompt, 8));
  EXPECT_EQ(first.size(), 8u);
  EXPECT_EQ(Read(*Submit(prompt, 8)), first);
}

TEST_F(EngineTest, RefusesWhatCanNeverFit) {
  EngineRequest request;
  request.prompt.assign(200, 7);
  EXPECT_EQ(stack_->engine().Submit(std::move(request)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace coterie
