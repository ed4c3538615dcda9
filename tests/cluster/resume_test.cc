// A request whose router has died goes on at another. Goal: no gap, no repeat, the same tokens,
// wherever the client was cut off. Method: a request runs to its end at one router; then, for every
// reply of that run, another router resumes it as if the client had got so far, and what it sends
// must complete what came before to the very same answer.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kv_store/client/memory_block_store.h"
#include "proto/journal.pb.h"
#include "router/journal/journal_name.h"
#include "tests/cluster/transcript.h"
#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

constexpr char kDemoModel[] = "tools/demo_model/checkpoint";

template <typename R>
struct Answered {
  std::vector<R> replies;
  grpc::Status status;
};

template <typename R>
Answered<R> ReadReplies(std::unique_ptr<grpc::ClientReader<R>> reader) {
  Answered<R> answered;
  for (R reply; reader->Read(&reply);) answered.replies.push_back(reply);
  answered.status = reader->Finish();
  return answered;
}

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
}
Answered<v1::GenerateReply> Ask(Cluster& cluster, const v1::GenerateRequest& request) {
  grpc::ClientContext context;
  SetDeadline(&context);
  return ReadReplies(cluster.stub().Generate(&context, request));
}
Answered<v1::ChatReply> Ask(Cluster& cluster, const v1::ChatRequest& request) {
  grpc::ClientContext context;
  SetDeadline(&context);
  return ReadReplies(cluster.chat_stub().Chat(&context, request));
}
template <typename R>
Answered<R> Resume(Cluster& cluster, const v1::ResumeRequest& request,
                   const std::string& key = "") {
  grpc::ClientContext context;
  SetDeadline(&context);
  if (!key.empty()) context.AddMetadata("authorization", "Bearer " + key);
  if constexpr (std::is_same_v<R, v1::GenerateReply>)
    return ReadReplies(cluster.stub().Resume(&context, request));
  else
    return ReadReplies(cluster.chat_stub().Resume(&context, request));
}
v1::ResumeRequest ResumeAfter(const std::string& id, const std::vector<Transcript>& got) {
  v1::ResumeRequest request;
  request.set_request_id(id);
  for (size_t i = 0; i < got.size(); ++i) {
    request.add_received(static_cast<uint32_t>(got[i].tokens.size()));
    if (got[i].finish_reason != 0) request.add_finished(static_cast<uint32_t>(i));
  }
  return request;
}

class ResumeTest : public testing::Test {
 protected:
  // interval: of journals. An hour: the tokens are noted down once, when there are none.
  std::unique_ptr<Cluster> Router(absl::Duration interval = absl::Milliseconds(1)) {
    return std::make_unique<Cluster>(
        Cluster::Options{.model = kDemoModel, .store = store_, .journals = {.interval = interval}});
  }

  // The answer of the first goes to `answer`.
  template <typename R, typename Request>
  void ExpectResumesEverywhere(Cluster& first, Cluster& second, Request request,
                               std::vector<Transcript>* answer = nullptr) {
    const std::string id = absl::StrCat("request ", num_requests_++);
    request.set_request_id(id);
    const Answered<R> whole = Ask(first, request);
    ASSERT_TRUE(whole.status.ok()) << whole.status.error_message();
    std::vector<Transcript> expected;
    for (const R& reply : whole.replies) Take(reply, &expected);
    if (answer != nullptr) *answer = expected;
    const size_t num_choices = std::max<size_t>(1, request.num_choices());
    std::vector<Transcript> got(num_choices);
    const size_t stride = 1 + whole.replies.size() / 40;
    for (size_t i = 0; i <= whole.replies.size(); ++i) {
      if (i % stride == 0 || i == whole.replies.size()) {
        // Wherever the journal ends: ahead of the client, or behind.
        if (cut_journals_) CutJournal(id, expected, static_cast<uint32_t>(i));
        const Answered<R> rest = Resume<R>(second, ResumeAfter(id, got));
        ASSERT_TRUE(rest.status.ok()) << rest.status.error_message();
        std::vector<Transcript> completed = got;
        for (const R& reply : rest.replies) Take(reply, &completed);
        ASSERT_EQ(completed, expected) << id << ", cut off after reply " << i;
        if (i == whole.replies.size()) {
          EXPECT_TRUE(rest.replies.empty());
        } else {
          EXPECT_EQ(rest.replies.back().usage().generated_tokens(),
                    whole.replies.back().usage().generated_tokens());
        }
      }
      if (i < whole.replies.size()) Take(whole.replies[i], &got);
    }
  }

  // The journal's tokens end somewhere, as if their router had died just then.
  void CutJournal(const std::string& id, const std::vector<Transcript>& answer, uint32_t draw) {
    const JournalNames names = NamesOfJournals("", id);
    v1::RequestJournal request;
    std::promise<void> answered;
    store_->GetJournal(names.request, absl::Now() + absl::Seconds(10),
                       [&](absl::StatusOr<StoredJournal> found) {
                         EXPECT_TRUE(found.ok() && request.ParseFromString(found->bytes));
                         answered.set_value();
                       });
    answered.get_future().wait();
    v1::TokenJournal journal;
    journal.set_run(request.run());
    std::minstd_rand random(1 + draw);
    for (const Transcript& choice : answer) {
      const size_t size = random() % (choice.tokens.size() + 1);
      journal.add_choices()->mutable_ids()->Add(choice.tokens.begin(),
                                                choice.tokens.begin() + static_cast<long>(size));
    }
    // Later than what routers write of themselves.
    const absl::Time later = absl::Now() + absl::Hours(1) + absl::Seconds(num_cuts_++);
    store_->PutJournal(names.tokens, static_cast<uint64_t>(absl::ToUnixNanos(later)),
                       journal.SerializeAsString(), absl::Minutes(10), nullptr);
  }

  bool cut_journals_ = true;
  int num_cuts_ = 0;
  const std::shared_ptr<BlockStore> store_ = std::make_shared<MemoryBlockStore>(size_t{256} << 20);
  int num_requests_ = 0;
};

v1::GenerateRequest Prose(uint32_t max_tokens) {
  v1::GenerateRequest request;
  request.set_text("The cluster keeps two copies of every expert, and when a worker dies");
  request.set_max_tokens(max_tokens);
  request.set_ignore_eos(true);
  request.mutable_sampling()->set_temperature(1);
  return request;
}

v1::ChatRequest Question() {
  v1::ChatRequest request;
  v1::ChatMessage* message = request.add_messages();
  message->set_role(v1::ChatMessage::ROLE_USER);
  message->set_content("What is 17 times 23?");
  v1::Tool* tool = request.add_tools();
  tool->set_name("calculate");
  tool->set_description("Works out an arithmetic expression.");
  tool->set_parameters_json(
      R"({"type":"object","properties":{"expression":{"type":"string"}},"required":["expression"]})");
  request.set_thinking(true);
  request.set_max_tokens(120);
  return request;
}

TEST_F(ResumeTest, SampledText) {
  const auto first = Router(), second = Router();
  v1::GenerateRequest request = Prose(60);
  ExpectResumesEverywhere<v1::GenerateReply>(*first, *second, request);
  request.mutable_sampling()->set_seed(7);
  request.mutable_sampling()->set_temperature(1.5F);
  request.mutable_sampling()->set_top_p(0.9F);
  request.mutable_sampling()->set_frequency_penalty(0.5F);
  request.mutable_sampling()->set_repetition_penalty(1.2F);
  ExpectResumesEverywhere<v1::GenerateReply>(*first, *second, request);
}

TEST_F(ResumeTest, SeveralChoices) {
  const auto first = Router(), second = Router();
  v1::GenerateRequest request = Prose(24);
  request.set_num_choices(3);
  ExpectResumesEverywhere<v1::GenerateReply>(*first, *second, request);
}

TEST_F(ResumeTest, LogProbabilities) {
  const auto first = Router(), second = Router();
  v1::GenerateRequest request = Prose(24);
  request.set_logprobs(4);
  ExpectResumesEverywhere<v1::GenerateReply>(*first, *second, request);
}

TEST_F(ResumeTest, AStopStringThatIsHalfSaid) {
  const auto first = Router(), second = Router();
  v1::GenerateRequest request = Prose(60);
  request.mutable_sampling()->set_seed(5);
  const Answered<v1::GenerateReply> whole = Ask(*first, request);
  std::string text;
  for (const v1::GenerateReply& reply : whole.replies) text += reply.text();
  ASSERT_GT(text.size(), 60U);
  request.add_stop(text.substr(40, 12));
  ExpectResumesEverywhere<v1::GenerateReply>(*first, *second, request);
}

TEST_F(ResumeTest, AGrammar) {
  const auto first = Router(), second = Router();
  v1::GenerateRequest request = Prose(80);
  request.set_ignore_eos(false);
  request.mutable_response_format()->set_kind(v1::ResponseFormat::JSON_SCHEMA);
  request.mutable_response_format()->set_schema_json(
      R"({"type":"object","properties":{"name":{"type":"string","maxLength":30},)"
      R"("sizes":{"type":"array","items":{"type":"integer"},"maxItems":6}},)"
      R"("required":["name","sizes"],"additionalProperties":false})");
  ExpectResumesEverywhere<v1::GenerateReply>(*first, *second, request);
}

TEST_F(ResumeTest, ThinkingAndAToolCall) {
  const auto first = Router(), second = Router();
  v1::ChatRequest request = Question();
  ExpectResumesEverywhere<v1::ChatReply>(*first, *second, request);
  // A budget whose end is forced, which is no draw.
  request.set_thinking_budget(5);
  request.mutable_sampling()->set_temperature(0.8F);
  ExpectResumesEverywhere<v1::ChatReply>(*first, *second, request);
  // Hot, so that a draw too many or too few is another token.
  v1::ChatRequest hot = request;
  hot.mutable_sampling()->set_temperature(2);
  hot.mutable_sampling()->set_seed(3);
  ExpectResumesEverywhere<v1::ChatReply>(*first, *second, hot);
  request.mutable_tool_choice()->set_kind(v1::ToolChoice::REQUIRED);
  std::vector<Transcript> answer;
  ExpectResumesEverywhere<v1::ChatReply>(*first, *second, request, &answer);
  std::string kinds;
  for (const auto& [kind, text] : answer.front().parts) absl::StrAppend(&kinds, kind, ";");
  EXPECT_THAT(kinds, testing::HasSubstr("reasoning;"));
  EXPECT_THAT(kinds, testing::HasSubstr("arguments 0;"));
}

TEST_F(ResumeTest, WhatTheJournalLacksIsDrawnAgain) {
  cut_journals_ = false;
  const auto first = Router(absl::Hours(1)), second = Router(absl::Hours(1));
  ExpectResumesEverywhere<v1::GenerateReply>(*first, *second, Prose(40));
  ExpectResumesEverywhere<v1::ChatReply>(*first, *second, Question());
}

TEST_F(ResumeTest, AResumedRequestIsResumedAgain) {
  const auto first = Router(), second = Router();
  v1::GenerateRequest request = Prose(40);
  request.set_request_id("twice");
  const Answered<v1::GenerateReply> whole = Ask(*first, request);
  std::vector<Transcript> expected;
  for (const v1::GenerateReply& reply : whole.replies) Take(reply, &expected);
  std::vector<Transcript> got(1);
  Cluster* routers[] = {second.get(), first.get()};
  for (int round = 0; got.front().finish_reason == 0; ++round) {
    ASSERT_LT(round, 30);
    grpc::ClientContext context;
    SetDeadline(&context);
    const auto reader = routers[round % 2]->stub().Resume(&context, ResumeAfter("twice", got));
    v1::GenerateReply reply;
    for (int i = 0; i < 5 && reader->Read(&reply); ++i) Take(reply, &got);
    context.TryCancel();
  }
  EXPECT_EQ(got, expected);
}

TEST_F(ResumeTest, ANameThatIsUsedAgainIsTheLaterRequest) {
  const auto first = Router(), second = Router();
  v1::GenerateRequest request = Prose(30);
  request.set_request_id("again");
  ASSERT_TRUE(Ask(*first, request).status.ok());
  request.set_text("Quite another prompt");
  request.set_max_tokens(10);
  const Answered<v1::GenerateReply> whole = Ask(*first, request);
  std::vector<Transcript> expected, got;
  for (const v1::GenerateReply& reply : whole.replies) Take(reply, &expected);
  for (const v1::GenerateReply& reply :
       Resume<v1::GenerateReply>(*second, ResumeAfter("again", {})).replies)
    Take(reply, &got);
  EXPECT_EQ(got, expected);
}

TEST_F(ResumeTest, WhatCannotBeResumedIsRefusedWithItsReason) {
  const auto first = Router(), second = Router();
  v1::GenerateRequest request = Prose(10);
  request.set_request_id("text");
  const Answered<v1::GenerateReply> whole = Ask(*first, request);
  ASSERT_TRUE(whole.status.ok());
  const auto resumed = [&](Cluster& cluster, const std::string& id,
                           const std::vector<uint32_t>& received) {
    v1::ResumeRequest resume;
    resume.set_request_id(id);
    for (const uint32_t count : received) resume.add_received(count);
    return Resume<v1::GenerateReply>(cluster, resume).status;
  };
  EXPECT_EQ(resumed(*second, "", {}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(resumed(*second, "nobody's", {}).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(resumed(*second, "text", {1, 1}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const grpc::Status beyond = resumed(*second, "text", {11});
  EXPECT_EQ(beyond.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(beyond.error_message(), "the answer has 10 tokens, and 11 are said to be received");
  EXPECT_TRUE(resumed(*second, "text", {10}).ok());
  v1::ResumeRequest third_choice = ResumeAfter("text", {});
  third_choice.add_finished(2);
  EXPECT_EQ(Resume<v1::GenerateReply>(*second, third_choice).status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  const grpc::Status as_chat = Resume<v1::ChatReply>(*second, ResumeAfter("text", {})).status;
  EXPECT_EQ(as_chat.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  // Of another model; with too little room; without a store.
  Cluster other({.model = kCheckpoints + "tiny_q4_0.gguf", .store = store_});
  EXPECT_EQ(resumed(other, "text", {}).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const int64_t with_prompt = whole.replies.back().usage().prompt_tokens() + 9;
  for (const int64_t max_context : {with_prompt, int64_t{5}}) {
    Cluster small({.model = kDemoModel, .engine = {.max_context = max_context}, .store = store_});
    EXPECT_EQ(resumed(small, "text", {}).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  Cluster tight({.model = kDemoModel, .kv_bytes = 1 << 20, .store = store_});
  v1::GenerateRequest roomy = Prose(600);
  roomy.set_request_id("roomy");
  ASSERT_TRUE(Ask(*first, roomy).status.ok());
  EXPECT_EQ(resumed(tight, "roomy", {}).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  Cluster alone({.model = kDemoModel});
  EXPECT_EQ(resumed(alone, "text", {}).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(ResumeTest, ARequestThatAsksForTooMuchIsRefusedBeforeItIsNotedDown) {
  const auto router = Router();
  v1::GenerateRequest request = Prose(10);
  request.set_request_id("greedy");
  request.set_num_choices(4000000000);
  EXPECT_EQ(Ask(*router, request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Resume<v1::GenerateReply>(*router, ResumeAfter("greedy", {})).status.error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(ResumeTest, ATenantResumesItsOwn) {
  const std::string keys = absl::StrCat(testing::TempDir(), "/resume_keys");
  std::ofstream(keys) << "one key-of-one\ntwo key-of-two\n";
  Cluster cluster({.model = kDemoModel, .api_keys_file = keys, .store = store_});
  v1::GenerateRequest request = Prose(10);
  request.set_request_id("mine");
  grpc::ClientContext context;
  SetDeadline(&context);
  context.AddMetadata("authorization", "Bearer key-of-one");
  ASSERT_TRUE(ReadReplies(cluster.stub().Generate(&context, request)).status.ok());
  const auto resumed = [&](const std::string& key) {
    return Resume<v1::GenerateReply>(cluster, ResumeAfter("mine", {}), key).status.error_code();
  };
  EXPECT_EQ(resumed("key-of-one"), grpc::StatusCode::OK);
  EXPECT_EQ(resumed("key-of-two"), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(resumed(""), grpc::StatusCode::UNAUTHENTICATED);
}

}  // namespace
}  // namespace coterie
