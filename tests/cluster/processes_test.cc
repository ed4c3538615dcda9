// Real processes: death of a worker in the middle of a stream, its return, draining, and what
// /metrics shows.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "tests/ops/process/metrics_table.h"
#include "tests/testing/child_process.h"
#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

using Clock = std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Temp(const std::string& name) { return absl::StrCat(testing::TempDir(), "/", name); }

// The body of GET /metrics.
std::string Scrape(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string body;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;)
    body.append(buffer, static_cast<size_t>(n));
  close(fd);
  return body;
}

class ProcessesTest : public testing::Test {
 protected:
  ProcessesTest() {
    for (int i = 0; i < 2; ++i) {
      StartWorker(i, 0);
      ports_[i] = WaitForPort(Temp(absl::StrCat("worker", i)));
    }
    StartRouter("30s");
  }
  ~ProcessesTest() override {
    for (const char* name :
         {"worker0", "worker1", "router", "router_metrics", "worker0_metrics", "worker1_metrics"})
      unlink(Temp(name).c_str());
  }

  // Asks until the router serves again.
  Reply UntilServed(uint32_t max_tokens) {
    const auto deadline = Clock::now() + std::chrono::seconds(20);
    Reply reply;
    do reply = ReadAll(*stub_, TokensRequest(prompt_, max_tokens));
    while (!reply.status.ok() && Clock::now() < deadline);
    return reply;
  }

  // expert_wait: how long requests wait for a worker that is gone.
  void StartRouter(const std::string& expert_wait) {
    router_.reset();
    for (const char* name : {"router", "router_metrics", "router_http"}) unlink(Temp(name).c_str());
    router_ = std::make_unique<ChildProcess>(
        "router/router",
        std::vector<std::string>{
            kModel, absl::StrCat("--workers=127.0.0.1:", ports_[0], ",127.0.0.1:", ports_[1]),
            "--port=0", "--http_port=0", "--port_file=" + Temp("router"),
            "--http_port_file=" + Temp("router_http"),
            "--metrics_port_file=" + Temp("router_metrics"), "--threads=1", "--max_context=4000",
            "--dispatch_timeout=2s", "--expert_wait=" + expert_wait},
        Temp("router.log"));
    stub_ = v1::Generator::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", WaitForPort(Temp("router"))),
                            grpc::InsecureChannelCredentials()));
  }

  void StartWorker(int index, int port) {
    const std::string name = absl::StrCat("worker", index);
    unlink(Temp(name).c_str());
    workers_[index] = std::make_unique<ChildProcess>(
        "expert_worker/expert_worker",
        std::vector<std::string>{kModel, absl::StrCat("--shard=", index, "/2"),
                                 absl::StrCat("--port=", port), "--port_file=" + Temp(name),
                                 "--metrics_port_file=" + Temp(name + "_metrics"), "--threads=1"},
        Temp(name + ".log"));
  }

  const std::string kModel = "--model=" + kCheckpoints + "tiny_f32";
  const std::vector<int32_t> prompt_ = ReadGoldens()[0].prompt;
  std::unique_ptr<ChildProcess> workers_[2];
  int ports_[2] = {};
  std::unique_ptr<ChildProcess> router_;
  std::unique_ptr<v1::Generator::Stub> stub_;
};

TEST_F(ProcessesTest, AStreamWaitsForAKilledWorkerWithoutACopyAndGoesOn) {
  const std::vector<int32_t> before = ReadAll(*stub_, TokensRequest(prompt_, 1500)).ids();
  grpc::ClientContext context;
  const auto reader = stub_->Generate(&context, TokensRequest(prompt_, 1500));
  v1::GenerateReply reply;
  std::vector<int32_t> ids;
  const auto read = [&] {
    if (!reader->Read(&reply)) return false;
    for (const v1::GeneratedToken& token : reply.tokens()) ids.push_back(token.id());
    return true;
  };
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(read());
  workers_[1]->Signal(SIGKILL);
  workers_[1]->Wait();
  StartWorker(1, ports_[1]);
  while (read()) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(ids, before);
}

TEST_F(ProcessesTest, AKilledWorkerThatStaysAwayEndsTheStreamByNameAndItsReturnIsNoticed) {
  StartRouter("300ms");
  const std::vector<int32_t> before = ReadAll(*stub_, TokensRequest(prompt_, 24)).ids();
  grpc::ClientContext context;
  const auto reader = stub_->Generate(&context, TokensRequest(prompt_, 3900));
  v1::GenerateReply reply;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(reader->Read(&reply));
  workers_[1]->Signal(SIGKILL);
  const auto killed = Clock::now();
  while (reader->Read(&reply)) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_LT(Clock::now() - killed, std::chrono::seconds(2));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("no connected worker holds expert"));
  EXPECT_THAT(status.error_message(), HasSubstr("of layer"));
  EXPECT_THAT(status.error_message(), HasSubstr(absl::StrCat("127.0.0.1:", ports_[1])));

  const Reply refused = ReadAll(*stub_, TokensRequest(prompt_, 4));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.status.error_message(), HasSubstr(absl::StrCat("127.0.0.1:", ports_[1])));

  workers_[1]->Wait();
  StartWorker(1, ports_[1]);
  WaitForPort(Temp("worker1"));
  const Reply after = UntilServed(24);
  ASSERT_TRUE(after.status.ok()) << after.status.error_message();
  EXPECT_EQ(after.ids(), before);
}

TEST_F(ProcessesTest, AnIdleRouterNoticesAWorkerThatDies) {
  const int metrics = WaitForPort(Temp("router_metrics"));
  const std::string series =
      absl::StrCat("router_worker_connected{worker=\"127.0.0.1:", ports_[1], "\"} ");
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (Scrape(metrics).find(series + "1") == std::string::npos)
    ASSERT_LT(Clock::now(), deadline) << Scrape(metrics);
  workers_[1]->Signal(SIGKILL);
  while (Scrape(metrics).find(series + "0") == std::string::npos)
    ASSERT_LT(Clock::now(), deadline) << Scrape(metrics);
  std::stringstream log;
  log << std::ifstream(Temp("router.log")).rdbuf();
  EXPECT_THAT(log.str(), HasSubstr("worker lost address=127.0.0.1:"));
}

TEST_F(ProcessesTest, AHungWorkerCountsAsGoneUntilItAnswers) {
  StartRouter("0s");
  const std::vector<int32_t> before = ReadAll(*stub_, TokensRequest(prompt_, 24)).ids();
  workers_[1]->Signal(SIGSTOP);
  const Reply late = ReadAll(*stub_, TokensRequest(prompt_, 4));
  EXPECT_EQ(late.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(late.status.error_message(), HasSubstr(absl::StrCat("127.0.0.1:", ports_[1])));
  // The next does not wait as long again.
  const auto start = Clock::now();
  const Reply refused = ReadAll(*stub_, TokensRequest(prompt_, 4));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE)
      << refused.status.error_message();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(1));
  workers_[1]->Signal(SIGCONT);
  const Reply after = UntilServed(24);
  ASSERT_TRUE(after.status.ok()) << after.status.error_message();
  EXPECT_EQ(after.ids(), before);
}

TEST_F(ProcessesTest, EveryProcessDrainsOnSigterm) {
  ASSERT_TRUE(ReadAll(*stub_, TokensRequest(prompt_, 4)).status.ok());
  router_->Signal(SIGTERM);
  EXPECT_EQ(router_->Wait(), 0);
  for (auto& worker : workers_) {
    worker->Signal(SIGTERM);
    EXPECT_EQ(worker->Wait(), 0);
  }
}

TEST_F(ProcessesTest, AStreamInFlightIsFinishedWhileTheRouterDrains) {
  constexpr uint32_t kTokens = 1000;  // more than a second, less than the drain timeout
  const std::vector<int32_t> before = ReadAll(*stub_, TokensRequest(prompt_, 24)).ids();
  grpc::ClientContext context;
  const auto reader = stub_->Generate(&context, TokensRequest(prompt_, kTokens));
  v1::GenerateReply reply;
  std::vector<int32_t> ids;
  const auto read = [&] {
    if (!reader->Read(&reply)) return false;
    for (const v1::GeneratedToken& token : reply.tokens()) ids.push_back(token.id());
    return true;
  };
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(read());
  router_->Signal(SIGTERM);
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  // The engine refuses, and is not gone: what it finishes is the stream.
  Reply other;
  do other = ReadAll(*stub_, TokensRequest(prompt_, 1));
  while (other.status.ok() && Clock::now() < deadline);
  EXPECT_EQ(other.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(other.status.error_message(), HasSubstr("draining"));

  while (read()) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(ids.size(), kTokens);
  EXPECT_EQ(reply.finish_reason(), v1::FINISH_REASON_LENGTH);
  ids.resize(before.size());
  EXPECT_EQ(ids, before);
  EXPECT_EQ(router_->Wait(), 0);
}

TEST_F(ProcessesTest, MetricsPageAndDocumentationSayTheSame) {
  ASSERT_TRUE(ReadAll(*stub_, TokensRequest(prompt_, 4)).status.ok());
  ReadAll(*stub_, TokensRequest({2, 999}, 4));  // so that the error counters have a series
  // The HTTP door has the page too, and from then on a series of its replies.
  EXPECT_THAT(Scrape(WaitForPort(Temp("router_http"))), HasSubstr("router_running_requests"));
  const std::string page =
      Scrape(WaitForPort(Temp("router_metrics"))) + Scrape(WaitForPort(Temp("worker0_metrics")));
  std::stringstream text;
  text << std::ifstream("docs/metrics.md").rdbuf();
  std::vector<std::string> differences =
      CompareMetrics(ParseMetricsText(page), ParseMetricsTable(text.str()),
                     {"router_", "vllm:", "expert_worker_", "coterie_", "process_", "exposer_"});
  // An error counter has a series only once there was an error.
  std::erase_if(differences, [](const std::string& line) {
    return line.find("expert_worker_errors_total") != std::string::npos;
  });
  EXPECT_THAT(differences, IsEmpty());
}

TEST(BadStartTest, OneClearLineAndANonZeroExit) {
  const std::string worker_program = "expert_worker/expert_worker",
                    router_program = "router/router",
                    model = "--model=" + kCheckpoints + "tiny_f32";
  // 2: a mistake on the command line; 1: anything else.
  const struct {
    std::string program;
    std::vector<std::string> arguments;
    int exit_code;
    const char* message;
  } cases[] = {
      {worker_program, {}, 2, "--model is required"},
      {worker_program, {"--model=/nonexistent"}, 1, "/nonexistent"},
      {worker_program, {model, "--shard=9/2"}, 1, "shard"},
      {worker_program, {model, "--quantise=q3"}, 2, "q8_0"},
      {worker_program, {model, "--threads=100000"}, 2, "0 to 1024"},
      {worker_program, {model, "--no_such_flag=1"}, 2, "no_such_flag"},
      {router_program, {model, "--experts=foo"}, 2, "local or remote"},
      {router_program, {model, "--kv_type=x"}, 2, "auto, f32 or bf16"},
      {router_program, {model, "--prefill_chunk=0"}, 2, "1 to 4096"},
      {router_program, {model, "--http_port=65536"}, 2, "-1 to 65535"},
      {router_program, {model, "--api_keys_file=/nonexistent"}, 1, "/nonexistent"},
      {router_program, {model, "--threads=-3"}, 2, "0 to 1024"},
      {router_program, {model, "--workers=a:1,,b:2"}, 2, "empty address"},
      {router_program, {model, "--dispatch_timeout=inf"}, 2, "at most 24h"},
      {router_program, {model, "--connect_timeout=-1s"}, 2, "at most 24h"},
  };
  for (const auto& [program, arguments, exit_code, message] : cases) {
    const std::string log = Temp("bad_start.log");
    unlink(log.c_str());
    ChildProcess process(program, arguments, log);
    EXPECT_EQ(process.Wait(), exit_code) << message;
    std::stringstream text;
    text << std::ifstream(log).rdbuf();
    EXPECT_THAT(text.str(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace coterie
