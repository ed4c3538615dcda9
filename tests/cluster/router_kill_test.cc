// Real processes: a router is killed in the midst of streams while another stands by. Clients that
// resume there get the rest: no gap, no repeat, the same tokens.
//
// ROUTER_KILLS=200 bazel test //tests/cluster:router_kill_test --test_env=ROUTER_KILLS
// --test_output=all does more of it and prints how long it took until the next token came.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/testing/cluster.h"
#include "tests/testing/running_process.h"

namespace coterie {
namespace {

constexpr int kStreams = 3;
constexpr uint32_t kTokens = 120;
constexpr int kPromptTokens = 8000;

int NumKills() {
  const char* const text = std::getenv("ROUTER_KILLS");
  return text != nullptr ? std::max(1, std::atoi(text)) : 2;
}

std::unique_ptr<v1::Generator::Stub> StubOf(const RunningProcess& router) {
  return v1::Generator::NewStub(
      grpc::CreateChannel(router.address, grpc::InsecureChannelCredentials()));
}

// A client's own view of one request.
struct Client {
  v1::GenerateRequest request;
  std::vector<int32_t> got;
  bool finished = false;
  double resume_seconds = -1;  // from the end of the one stream to the first token of the other

  // Reads until the stream ends, or so many tokens have come.
  grpc::Status Read(grpc::ClientReader<v1::GenerateReply>* reader, size_t until = kTokens + 1) {
    for (v1::GenerateReply reply; got.size() < until && reader->Read(&reply);) Take(reply);
    return got.size() < until ? reader->Finish() : grpc::Status::OK;
  }
  void Take(const v1::GenerateReply& reply) {
    for (const v1::GeneratedToken& token : reply.tokens()) got.push_back(token.id());
    finished |= reply.finish_reason() != v1::FINISH_REASON_NONE;
  }
};

class RouterKillTest : public testing::Test {
 protected:
  RunningProcess StartRouter(int index) {
    return RunningProcess::Start(
        absl::StrCat("router", index), "router/router",
        {"--model=tools/demo_model/checkpoint", "--http_port=-1", "--threads=1",
         "--max_context=16384", "--kv_store=" + store_.address});
  }
  // A prompt of its own every time: nothing of it is in the other router's cache.
  v1::GenerateRequest Request(const std::string& id) {
    std::vector<int32_t> prompt = {2};
    for (int t = 1; t < kPromptTokens; ++t)
      prompt.push_back(300 + static_cast<int32_t>(rng_() % 1000));
    v1::GenerateRequest request = TokensRequest(prompt, kTokens);
    request.set_request_id(id);
    request.mutable_sampling()->set_temperature(rng_() % 2 == 0 ? 0.0F : 1.0F);
    request.mutable_sampling()->set_seed(rng_());
    return request;
  }
  static void Resume(const RunningProcess& router, Client* client) {
    v1::ResumeRequest resume;
    resume.set_request_id(client->request.request_id());
    resume.add_received(static_cast<uint32_t>(client->got.size()));
    const absl::Time begin = absl::Now();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
    const auto reader = StubOf(router)->Resume(&context, resume);
    v1::GenerateReply reply;
    while (reader->Read(&reply)) {
      if (client->resume_seconds < 0)
        client->resume_seconds = absl::ToDoubleSeconds(absl::Now() - begin);
      client->Take(reply);
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  std::mt19937 rng_{3};
  RunningProcess store_ =
      RunningProcess::Start("store", "kv_store/kv_store", {"--memory_bytes=1000000000"});
  RunningProcess routers_[2] = {StartRouter(0), StartRouter(1)};
};

TEST_F(RouterKillTest, ClientsThatResumeElsewhereGetTheRest) {
  std::vector<double> seconds;
  int num_cut = 0;
  for (int kill = 0; kill < NumKills(); ++kill) {
    RunningProcess& dies = routers_[kill % 2];
    const RunningProcess& stands_by = routers_[1 - kill % 2];
    std::vector<Client> clients(kStreams);
    std::vector<std::thread> threads;
    std::vector<grpc::ClientContext> contexts(kStreams);
    std::atomic<int> num_under_way{0};
    for (int i = 0; i < kStreams; ++i) {
      Client& client = clients[static_cast<size_t>(i)];
      client.request = Request(absl::StrCat("kill ", kill, " stream ", i));
      threads.emplace_back([&, i] {
        grpc::ClientContext& context = contexts[static_cast<size_t>(i)];
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
        const auto reader = StubOf(dies)->Generate(&context, client.request);
        const grpc::Status begun = client.Read(reader.get(), 1);
        EXPECT_TRUE(begun.ok()) << begun.error_message();
        ++num_under_way;
        if (begun.ok() && !client.finished) client.Read(reader.get());
        if (!client.finished) Resume(stands_by, &client);
      });
    }
    while (num_under_way < kStreams) absl::SleepFor(absl::Milliseconds(1));
    absl::SleepFor(absl::Milliseconds(rng_() % 100));
    dies.process->Signal(SIGKILL);
    for (std::thread& thread : threads) thread.join();
    for (const Client& client : clients) {
      // The same request without a fault; its prompt is known there by now.
      v1::GenerateRequest request = client.request;
      request.clear_request_id();
      EXPECT_EQ(client.got, ReadAll(*StubOf(stands_by), request).ids())
          << client.request.request_id();
      EXPECT_TRUE(client.finished);
      if (client.resume_seconds < 0) continue;
      ++num_cut;
      seconds.push_back(client.resume_seconds);
    }
    dies.process->Wait();
    dies = StartRouter(kill % 2);
  }
  EXPECT_GE(num_cut, NumKills());
  std::sort(seconds.begin(), seconds.end());
  std::printf(
      "%d kills, %d streams cut off; until the next token: median %.0f ms, p99 %.0f, worst %.0f\n",
      NumKills(), num_cut, seconds[seconds.size() / 2] * 1e3,
      seconds[seconds.size() * 99 / 100] * 1e3, seconds.back() * 1e3);
}

}  // namespace
}  // namespace coterie
