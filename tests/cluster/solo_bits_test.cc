// Every request gets the bits that it would get alone: hundreds of them with random arrivals,
// lengths, sampling, tenants, priorities, cancellations, shared prefixes and several choices,
// through one router and two workers, with so little memory that sequences must yield. Judged by a
// router that serves one request at a time, with experts in the process and no prefix cache.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

struct Case {
  std::string name;
  std::string model;
  int num_requests;
  int64_t prefill_chunk;
  int64_t kv_bytes;
  int64_t prompt_max;
  int64_t answer_max;
  int32_t first_id, num_ids;  // prompts are drawn from these
  uint32_t seed;
};

struct Answer {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
  EndReason reason = EndReason::kFailed;

  friend bool operator==(const Answer&, const Answer&) = default;
};

Answer ReadStream(TokenStream& stream, int64_t cancel_after) {
  Answer answer;
  for (;;) {
    if (const auto token = stream.Next(absl::Seconds(120))) {
      answer.ids.push_back(token->id);
      answer.logprobs.push_back(token->logprobs.chosen);
      if (static_cast<int64_t>(answer.ids.size()) == cancel_after) stream.Cancel();
    } else if (const auto end = stream.ended()) {
      answer.reason = end->reason;
      return answer;
    }
  }
}

class Requests {
 public:
  explicit Requests(const Case& c) : case_(c), rng_(c.seed) {}

  EngineRequest Next() {
    EngineRequest request;
    request.prompt = NextPrompt();
    request.tenant = absl::StrCat("t", rng_() % 3);
    request.priority = static_cast<int>(rng_() % 3);
    request.resume_hint = static_cast<ResumeHint>(rng_() % 4);
    request.stable_tokens = static_cast<int64_t>(rng_() % request.prompt.size());
    request.max_tokens = 1 + static_cast<int64_t>(rng_() % static_cast<uint32_t>(case_.answer_max));
    request.num_logprobs = 1;
    if (rng_() % 2 == 0)
      request.sampling = {.temperature = 1.0f, .top_k = 20, .top_p = 0.9f, .seed = rng_()};
    if (rng_() % 4 == 0) request.rules.frequency_penalty = 0.5f;
    request.rails.stop_loops = rng_() % 2 == 0;
    return request;
  }
  uint32_t Draw(uint32_t below) { return static_cast<uint32_t>(rng_() % below); }

 private:
  // Most of them begin as an earlier one did, or are the same.
  std::vector<int32_t> NextPrompt() {
    std::vector<int32_t> prompt;
    if (!prompts_.empty() && rng_() % 4 != 0) {
      prompt = prompts_[prompts_.size() - 1 - rng_() % std::min<size_t>(prompts_.size(), 20)];
      if (rng_() % 2 == 0) prompt.resize(1 + rng_() % prompt.size());
    }
    const auto room = static_cast<uint64_t>(case_.prompt_max) - prompt.size();
    const size_t size = prompt.size() + (room == 0 ? 0 : rng_() % room);
    while (prompt.size() < std::max<size_t>(size, 1)) {
      prompt.push_back(case_.first_id +
                       static_cast<int32_t>(rng_() % static_cast<uint32_t>(case_.num_ids)));
    }
    prompts_.push_back(prompt);
    return prompt;
  }

  const Case case_;
  std::mt19937_64 rng_;
  std::vector<std::vector<int32_t>> prompts_;
};

// A sanitizer makes every step some twenty times slower.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kShareOfRequests = 25;
#else
constexpr int kShareOfRequests = 1;
#endif

class SoloBitsTest : public testing::TestWithParam<Case> {};

TEST_P(SoloBitsTest, EveryFinishedStreamEqualsItsSoloRun) {
  const Case& c = GetParam();
  constexpr int64_t kNever = -1;
  struct Submitted {
    EngineRequest request;
    int64_t cancel_after = kNever;
    std::vector<std::shared_ptr<TokenStream>> streams;
    std::vector<Answer> answers;
  };
  Requests requests(c);
  std::vector<Submitted> all(static_cast<size_t>(c.num_requests / kShareOfRequests));
  double cached = 0, preemptions = 0;
  {
    Cluster cluster({.model = c.model,
                     .shards = {"0/2", "1/2"},
                     .engine = {.max_sequences = 12,
                                .max_queued = 1 << 16,
                                .max_queued_per_tenant = 1 << 16,
                                .max_context = c.prompt_max + c.answer_max},
                     .prefill_chunk = c.prefill_chunk,
                     .kv_bytes = c.kv_bytes});
    std::vector<std::thread> readers;
    for (Submitted& s : all) {
      s.request = requests.Next();
      if (requests.Draw(8) == 0) s.cancel_after = 1 + requests.Draw(8);
      const int64_t num_choices = requests.Draw(10) == 0 ? 3 : 1;
      s.streams = *cluster.router().engine().Submit(s.request, num_choices);
      s.answers.resize(s.streams.size());
      for (size_t i = 0; i < s.streams.size(); ++i) {
        readers.emplace_back([&s, i] { s.answers[i] = ReadStream(*s.streams[i], s.cancel_after); });
      }
      // Bursts, and pauses in which the batch runs empty.
      if (requests.Draw(4) == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(requests.Draw(20)));
    }
    for (std::thread& reader : readers) reader.join();
    cluster.router().Stop(absl::Now() + absl::Seconds(60));
    cached = cluster.router().metrics().cached_tokens.Value();
    preemptions = cluster.router().metrics().preemptions.Value();
    EXPECT_EQ(cluster.router().cache().held_bytes(), 0);
  }
  if (kShareOfRequests == 1) {
    EXPECT_GT(cached, 0);
    EXPECT_GT(preemptions, 0);
  }

  prometheus::Registry registry;
  const auto solo = *RouterStack::Create({.model = c.model,
                                          .num_threads = 2,
                                          .kv_bytes = 256 << 20,
                                          .prefix_cache = false,
                                          .engine = {.max_sequences = 1, .max_context = 1 << 14}},
                                         registry);
  int num_finished = 0, num_streams = 0;
  for (const Submitted& s : all) {
    for (size_t i = 0; i < s.streams.size(); ++i) {
      EngineRequest request = s.request;
      request.sampling.seed += i;
      Answer expected = ReadStream(**solo->engine().Submit(std::move(request)), kNever);
      const Answer& got = s.answers[i];
      ++num_streams;
      if (got.reason == EndReason::kFailed) {
        // Cancelled: what came before is the same.
        ASSERT_NE(s.cancel_after, kNever);
        ASSERT_GE(expected.ids.size(), got.ids.size());
        expected.ids.resize(got.ids.size());
        expected.logprobs.resize(got.ids.size());
        expected.reason = EndReason::kFailed;
      } else {
        ++num_finished;
      }
      ASSERT_EQ(got.ids, expected.ids) << "request " << &s - all.data() << " choice " << i;
      ASSERT_EQ(got, expected) << "request " << &s - all.data() << " choice " << i;
    }
  }
  solo->Stop(absl::Now());
  RecordProperty("streams", num_streams);
  std::printf("%d streams, %d finished; %.0f prompt tokens from the cache, %.0f preemptions\n",
              num_streams, num_finished, cached, preemptions);
  EXPECT_GE(num_finished, num_streams / 2);
}

INSTANTIATE_TEST_SUITE_P(Loads, SoloBitsTest,
                         testing::Values(Case{"tiny_f32_chunk_8", kCheckpoints + "tiny_f32", 250, 8,
                                              4 << 20, 300, 60, 3, 290, 1},
                                         Case{"tiny_q4_0_chunk_64", kCheckpoints + "tiny_q4_0.gguf",
                                              500, 64, 3 << 20, 400, 80, 3, 290, 2},
                                         Case{"tiny_q4_0_roomy", kCheckpoints + "tiny_q4_0.gguf",
                                              300, 32, 64 << 20, 400, 40, 3, 290, 4},
                                         Case{"demo_chunk_128", "tools/demo_model/checkpoint", 500,
                                              128, 12 << 20, 350, 40, 260, 3800, 3}),
                         [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

}  // namespace
}  // namespace coterie
