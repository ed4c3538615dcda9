// Generate, as a client sees it: one router, two workers, over gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "absl/strings/numbers.h"
#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

class GenerateTest : public testing::Test {
 protected:
  GenerateTest()
      : cluster_({.model = kCheckpoints + "tiny_f32",
                  .shards = {"0/2", "1/2"},
                  .engine = {.max_sequences = 4, .max_queued = 8, .max_context = 128},
                  .prefill_chunk = 16}) {}

  void ExpectInvalid(const v1::GenerateRequest& request, const std::string& message,
                     grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT) {
    const Reply reply = cluster_.Generate(request);
    EXPECT_EQ(reply.status.error_code(), code) << reply.status.error_message();
    EXPECT_THAT(reply.status.error_message(), HasSubstr(message));
  }

  Cluster cluster_;
  const std::vector<Golden> goldens_ = ReadGoldens();
};

TEST_F(GenerateTest, GreedyTokensAreTransformers) {
  const Reply reply = cluster_.Generate(TokensRequest(goldens_[0].prompt, 24));
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.ids(), goldens_[0].greedy);
  EXPECT_EQ(reply.finish_reason, v1::FINISH_REASON_LENGTH);
}

TEST_F(GenerateTest, RequestsThatShareStepsGetTheTokensOfASoloRun) {
  std::vector<std::vector<int32_t>> solo;
  for (size_t i = 0; i < 8; ++i)
    solo.push_back(
        cluster_.Generate(TokensRequest(goldens_[i].prompt, 12 + static_cast<uint32_t>(i))).ids());
  std::vector<std::thread> callers;
  std::vector<std::vector<int32_t>> together(8);
  for (size_t i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] {
      together[i] =
          cluster_.Generate(TokensRequest(goldens_[i].prompt, 12 + static_cast<uint32_t>(i))).ids();
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(together, solo);
}

TEST_F(GenerateTest, TheSameSeedGivesTheSameTokens) {
  v1::GenerateRequest request = TokensRequest(goldens_[1].prompt, 20);
  request.mutable_sampling()->set_temperature(1.5f);
  request.mutable_sampling()->set_top_k(50);
  request.mutable_sampling()->set_top_p(0.95f);
  request.mutable_sampling()->set_seed(7);
  const std::vector<int32_t> first = cluster_.Generate(request).ids(),
                             again = cluster_.Generate(request).ids();
  EXPECT_EQ(first, again);
  request.mutable_sampling()->set_seed(8);
  EXPECT_NE(cluster_.Generate(request).ids(), first);
  // Without one every request draws its own.
  request.mutable_sampling()->clear_seed();
  EXPECT_NE(cluster_.Generate(request).ids(), cluster_.Generate(request).ids());
}

TEST_F(GenerateTest, LogprobsAreThoseOfTheDistribution) {
  v1::GenerateRequest request = TokensRequest(goldens_[2].prompt, 1);
  request.set_logprobs(5);
  const Reply reply = cluster_.Generate(request);
  ASSERT_EQ(reply.tokens.size(), 1u);
  ASSERT_EQ(reply.tokens[0].top_size(), 4);
  EXPECT_EQ(reply.tokens[0].top(0).id(), reply.tokens[0].id());
  const float* row = goldens_[2].logits.data() + (goldens_[2].prompt.size() - 1) * kTinyVocab;
  double total = 0;
  for (int64_t i = 0; i < kTinyVocab; ++i) total += std::exp(static_cast<double>(row[i]));
  EXPECT_NEAR(reply.tokens[0].logprob(), row[reply.tokens[0].id()] - std::log(total), 2e-3);
}

TEST_F(GenerateTest, ExpertLoadCountsEveryRowOfEveryLayer) {
  constexpr uint64_t kTopK = 2;
  const auto load = [&] {
    grpc::ClientContext context;
    v1::ExpertLoadReply reply;
    EXPECT_TRUE(cluster_.stub().GetExpertLoad(&context, {}, &reply).ok());
    return reply;
  };
  const v1::ExpertLoadReply before = load();
  const Reply reply = cluster_.Generate(TokensRequest(goldens_[0].prompt, 5));
  const v1::ExpertLoadReply after = load();
  ASSERT_EQ(after.num_layers(), 6u);
  ASSERT_EQ(after.num_experts(), 8u);
  ASSERT_EQ(after.rows_size(), 48);
  // The last token has not been through the model.
  const uint64_t rows = goldens_[0].prompt.size() + reply.tokens.size() - 1;
  for (int layer = 0; layer < 6; ++layer) {
    uint64_t pairs = 0, most = 0;
    for (int expert = 0; expert < 8; ++expert) {
      const int at = layer * 8 + expert;
      pairs += after.rows(at) - before.rows(at);
      most = std::max(most, after.rows(at) - before.rows(at));
    }
    EXPECT_EQ(pairs, rows * kTopK);
    EXPECT_LE(most, rows) << "a row goes to an expert once";
  }
}

TEST_F(GenerateTest, StopIdsEndTheAnswerBeforeThem) {
  v1::GenerateRequest request = TokensRequest(goldens_[0].prompt, 24);
  const std::vector<int32_t>& greedy = goldens_[0].greedy;
  request.add_stop_ids(greedy[3]);
  const auto first = std::find(greedy.begin(), greedy.end(), greedy[3]);
  const Reply reply = cluster_.Generate(request);
  EXPECT_EQ(reply.ids(), std::vector<int32_t>(greedy.begin(), first));
  EXPECT_EQ(reply.finish_reason, v1::FINISH_REASON_STOP);
  EXPECT_EQ(reply.stop_id, greedy[3]);
}

TEST_F(GenerateTest, TheModelsOwnStopTokensEndTheAnswerUnlessIgnored) {
  const std::set<int32_t> eos = {1, 9, 16};  // <eos>, <|tool_response>, <turn|>
  std::set<int32_t> ended_by;
  for (const Golden& golden : goldens_) {
    const auto is_eos = [&](int32_t id) { return eos.contains(id); };
    if (std::none_of(golden.greedy.begin(), golden.greedy.end(), is_eos)) continue;
    v1::GenerateRequest request = TokensRequest(golden.prompt, 24);
    const Reply all = cluster_.Generate(request);
    EXPECT_EQ(all.finish_reason, v1::FINISH_REASON_LENGTH);
    EXPECT_EQ(all.stop_id, std::nullopt);
    std::vector<int32_t> ids = all.ids();
    ASSERT_EQ(ids.size(), 24u);
    const auto first = std::find_if(ids.begin(), ids.end(), is_eos);
    ASSERT_NE(first, ids.end());
    const int32_t stop_id = *first;
    ended_by.insert(stop_id);
    ids.erase(first, ids.end());

    request.set_ignore_eos(false);
    const Reply ended = cluster_.Generate(request);
    EXPECT_EQ(ended.ids(), ids);
    EXPECT_EQ(ended.finish_reason, v1::FINISH_REASON_STOP);
    EXPECT_EQ(ended.stop_id, stop_id);
    EXPECT_EQ(ended.usage.generated_tokens(), ids.size());
  }
  EXPECT_EQ(ended_by, eos) << "the goldens have all of them";
}

TEST_F(GenerateTest, ATextPromptIsItsTokensAfterOneBos) {
  const Reply expected = cluster_.Generate(TokensRequest({2, 294, 275, 297, 296}, 16));
  ASSERT_EQ(expected.ids().size(), 16u);
  EXPECT_EQ(expected.usage.prompt_tokens(), 5u);
  // Without it, and with it twice, the answer is another.
  EXPECT_NE(cluster_.Generate(TokensRequest({294, 275, 297, 296}, 16)).ids(), expected.ids());
  EXPECT_NE(cluster_.Generate(TokensRequest({2, 2, 294, 275, 297, 296}, 16)).ids(), expected.ids());
  for (const char* text : {"the tin", "<bos>the tin"}) {
    v1::GenerateRequest request;
    request.set_text(text);
    request.set_max_tokens(16);
    request.set_ignore_eos(true);
    const Reply reply = cluster_.Generate(request);
    EXPECT_EQ(reply.ids(), expected.ids()) << text;
    EXPECT_EQ(reply.usage.prompt_tokens(), 5u) << text;
  }
}

TEST_F(GenerateTest, PlainTextSpellsControlTokensOut) {
  // Bytes have the ids from 19 on; "th" is 294, "e" 275.
  const struct {
    const char* text;
    std::vector<int32_t> parsed, plain;
  } cases[] = {
      {"<|turn>the<turn|>",
       {2, 15, 294, 275, 16},
       {2, 79, 143, 276, 286, 283, 280, 81, 294, 275, 79, 276, 286, 283, 280, 143, 81}},
      {"<bos>the", {2, 294, 275}, {2, 79, 117, 278, 281, 81, 294, 275}},
      {"the", {2, 294, 275}, {2, 294, 275}},
  };
  for (const auto& [text, parsed, plain] : cases) {
    for (const bool plain_text : {false, true}) {
      const std::vector<int32_t>& prompt = plain_text ? plain : parsed;
      v1::GenerateRequest request;
      request.set_text(text);
      request.set_plain_text(plain_text);
      request.set_max_tokens(16);
      request.set_ignore_eos(true);
      const Reply reply = cluster_.Generate(request);
      EXPECT_EQ(reply.usage.prompt_tokens(), prompt.size()) << text << ", plain " << plain_text;
      EXPECT_EQ(reply.ids(), cluster_.Generate(TokensRequest(prompt, 16)).ids())
          << text << ", plain " << plain_text;
    }
  }
}

TEST_F(GenerateTest, StopStringsEndTheTextBeforeThem) {
  v1::GenerateRequest request;
  request.set_text("the other in the end");
  request.set_ignore_eos(true);
  request.set_max_tokens(40);
  request.set_show_control_tokens(true);
  const std::string all = cluster_.Generate(request).text;
  ASSERT_GT(all.size(), 12u);
  // A stop of two pieces' text, found wherever the borders of tokens are.
  size_t begin = all.size() / 2;
  while (begin < all.size() && (static_cast<unsigned char>(all[begin]) & 0xc0) == 0x80) ++begin;
  size_t end = std::min(all.size(), begin + 3);
  while (end < all.size() && (static_cast<unsigned char>(all[end]) & 0xc0) == 0x80) ++end;
  const std::string stop = all.substr(begin, end - begin);
  request.add_stop(stop);
  const double counted_ok = cluster_.RequestsCounted("OK");
  const Reply reply = cluster_.Generate(request);
  EXPECT_EQ(reply.text, all.substr(0, all.find(stop)));
  EXPECT_EQ(reply.finish_reason, v1::FINISH_REASON_STOP);
  EXPECT_EQ(reply.stop_id, std::nullopt) << "a string stopped it";
  EXPECT_GT(reply.usage.prompt_tokens(), 0u);
  EXPECT_EQ(reply.usage.generated_tokens(), reply.tokens.size());
  EXPECT_GT(reply.usage.prefill_seconds(), 0);
  // Once, with the status that was sent, though the engine was told to stop.
  EXPECT_EQ(cluster_.RequestsCounted("OK"), counted_ok + 1);
  EXPECT_EQ(cluster_.RequestsCounted("CANCELLED"), 0);
}

TEST_F(GenerateTest, CancellingStopsTheEngineLongBeforeTheEnd) {
  constexpr uint32_t kMaxTokens = 3900;
  Cluster cluster(
      {.model = kCheckpoints + "tiny_f32", .shards = {"0/1"}, .engine = {.max_context = 4000}});
  {
    grpc::ClientContext context;
    const auto reader =
        cluster.stub().Generate(&context, TokensRequest(goldens_[0].prompt, kMaxTokens));
    v1::GenerateReply reply;
    ASSERT_TRUE(reader->Read(&reply));
    context.TryCancel();
    while (reader->Read(&reply)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (cluster.router().engine().num_running() > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(cluster.router().engine().num_running(), 0);
  EXPECT_EQ(cluster.router().metrics().kv_held_bytes.Value(), 0);
  // How many steps the news is under way is up to the machine. To the end there are thousands.
  EXPECT_LT(cluster.router().metrics().generated_tokens.Value(), kMaxTokens / 2);
}

TEST_F(GenerateTest, ADeadlineEndsTheStream) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(1));
  const auto reader = cluster_.stub().Generate(&context, TokensRequest(goldens_[0].prompt, 90));
  for (v1::GenerateReply reply; reader->Read(&reply);) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(GenerateTest, BadRequestsAreRefusedByName) {
  ExpectInvalid({}, "no prompt");
  v1::GenerateRequest request;
  request.set_text("");
  ExpectInvalid(request, "text is empty");
  request.mutable_tokens();
  ExpectInvalid(request, "tokens is empty");
  ExpectInvalid(TokensRequest({2, 304}, 4), "tokens[1] is 304");
  ExpectInvalid(TokensRequest({2, -1}, 4), "tokens[1] is -1");
  ExpectInvalid(TokensRequest(std::vector<int32_t>(128, 7), 4), "at most 127",
                grpc::StatusCode::OUT_OF_RANGE);
  request = TokensRequest({2, 7}, 4);
  request.add_stop("");
  ExpectInvalid(request, "stop[0]");
  request.set_stop(0, std::string(257, 'x'));
  ExpectInvalid(request, "stop[0]");
  for (int i = 0; i < 17; ++i) request.add_stop("x");
  ExpectInvalid(request, "stop has");
  request = TokensRequest({2, 7}, 4);
  request.add_stop_ids(304);
  ExpectInvalid(request, "stop_ids[0]");
  request = TokensRequest({2, 7}, 4);
  request.set_logprobs(22);
  ExpectInvalid(request, "logprobs");
  request = TokensRequest({2, 7}, 4);
  request.mutable_sampling()->set_temperature(-1);
  ExpectInvalid(request, "temperature");
  request.mutable_sampling()->set_temperature(1);
  request.mutable_sampling()->set_top_p(1.5f);
  ExpectInvalid(request, "top_p");
}

TEST_F(GenerateTest, AFullQueueRefusesWithAHint) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GenerateReply>>> readers;
  grpc::StatusCode refused = grpc::StatusCode::OK;
  std::string hint;
  // Twelve fit (4 run, 8 wait); of many more at once, some must be turned away.
  for (int i = 0; i < 60; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(
        cluster_.stub().Generate(contexts.back().get(), TokensRequest(goldens_[0].prompt, 90)));
  }
  for (size_t i = 0; i < readers.size(); ++i) {
    v1::GenerateReply reply;
    while (readers[i]->Read(&reply)) {
    }
    const grpc::Status status = readers[i]->Finish();
    if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) continue;
    refused = status.error_code();
    const auto& trailers = contexts[i]->GetServerTrailingMetadata();
    if (const auto found = trailers.find("retry-after-ms"); found != trailers.end())
      hint = std::string(found->second.begin(), found->second.end());
  }
  EXPECT_EQ(refused, grpc::StatusCode::RESOURCE_EXHAUSTED);
  // Twelve that are refused at once may wait for twelve to end; a minute is the most that is said.
  int milliseconds = 0;
  ASSERT_TRUE(absl::SimpleAtoi(hint, &milliseconds)) << hint;
  EXPECT_GE(milliseconds, 500);
  EXPECT_LE(milliseconds, 60000);
}

TEST(ConnectTest, AWorkerOfAnotherModelIsRefused) {
  WorkerServer worker(kCheckpoints + "tiny_q8_0.gguf", "0/1");
  prometheus::Registry registry;
  RouterOptions options;
  options.model = kCheckpoints + "tiny_f32";
  options.workers = {worker.address()};
  const auto stack = RouterStack::Create(std::move(options), registry);
  EXPECT_EQ(stack.status().code(), absl::StatusCode::kFailedPrecondition) << stack.status();
  EXPECT_THAT(std::string(stack.status().message()), HasSubstr(worker.address()));
  EXPECT_THAT(std::string(stack.status().message()), HasSubstr("model digest"));
}

TEST(ConnectTest, AWorkerOfAnotherFormatIsRefused) {
  WorkerServer worker(kCheckpoints + "tiny_bf16", "0/1", {.quantise = DType::kQ8_0});
  prometheus::Registry registry;
  RouterOptions options;
  options.model = kCheckpoints + "tiny_bf16";
  options.workers = {worker.address()};
  const auto stack = RouterStack::Create(std::move(options), registry);
  EXPECT_EQ(stack.status().code(), absl::StatusCode::kFailedPrecondition) << stack.status();
  EXPECT_THAT(std::string(stack.status().message()), HasSubstr("expert format"));
}

TEST(ConnectTest, AnExpertWithoutAHomeIsNamed) {
  WorkerServer worker(kCheckpoints + "tiny_f32", "0-6");
  prometheus::Registry registry;
  RouterOptions options;
  options.model = kCheckpoints + "tiny_f32";
  options.workers = {worker.address()};
  options.connect_timeout = absl::Seconds(1);
  const auto stack = RouterStack::Create(std::move(options), registry);
  EXPECT_THAT(std::string(stack.status().message()), HasSubstr("expert 7 of layer 0"));
}

}  // namespace
}  // namespace coterie
