// Real processes that plan their own placement: two routers, workers that announce themselves to
// both, streams on both that never end. Workers join, drain and are killed, a router is killed; no
// request fails, no token differs.
//
// bazel test //tests/cluster:planned_processes_test --test_output=all prints what was measured.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/ops/process/http_get.h"
#include "tests/testing/child_process.h"
#include "tests/testing/cluster.h"
#include "tests/testing/steady_streams.h"

namespace coterie {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRouters = 2, kWorkersMax = 5, kStreams = 4;
constexpr uint32_t kTokens = 60;

std::string Temp(const std::string& name) { return absl::StrCat(testing::TempDir(), "/", name); }

class PlannedProcessesTest : public testing::Test {
 protected:
  PlannedProcessesTest() {
    std::ofstream(Temp("token")) << "the-secret-of-this-test\n";
    for (int r = 0; r < kRouters; ++r) StartRouter(r);
  }
  ~PlannedProcessesTest() override {
    for (int i = 0; i < kWorkersMax; ++i) unlink(Temp(absl::StrCat("worker", i)).c_str());
  }

  void StartRouter(int router) {
    const std::string name = absl::StrCat("router", router);
    for (const char* suffix : {"", ".metrics"}) unlink(Temp(name + suffix).c_str());
    routers_[router] = std::make_unique<ChildProcess>(
        "router/router",
        std::vector<std::string>{kModel, "--accept_workers", "--placement=planned", "--copies=2",
                                 "--min_workers=2", "--replace_after=2s", kToken, "--port=0",
                                 "--http_port=-1", "--port_file=" + Temp(name),
                                 "--metrics_port_file=" + Temp(name + ".metrics"), "--threads=1"},
        Temp(name + ".log"));
    addresses_[router] = absl::StrCat("127.0.0.1:", WaitForPort(Temp(name)));
    metrics_ports_[router] = WaitForPort(Temp(name + ".metrics"));
    stubs_[router] = v1::Generator::NewStub(
        grpc::CreateChannel(addresses_[router], grpc::InsecureChannelCredentials()));
  }
  void StartWorker(int worker) {
    const std::string name = absl::StrCat("worker", worker);
    workers_[worker] = std::make_unique<ChildProcess>(
        "expert_worker/expert_worker",
        std::vector<std::string>{kModel, "--port=0", kToken, "--threads=1",
                                 absl::StrCat("--announce=", addresses_[0], ",", addresses_[1])},
        Temp(name + ".log"));
  }

  // The sum of a metric's series.
  double Metric(int router, const std::string& name) {
    double sum = 0;
    for (const auto line : absl::StrSplit(*HttpGet(metrics_ports_[router], "/metrics"), '\n')) {
      const std::vector<std::string> parts = absl::StrSplit(line, ' ');
      double value = 0;
      if (parts.size() == 2 && (parts[0] == name || parts[0].starts_with(name + "{")) &&
          absl::SimpleAtod(parts[1], &value))
        sum += value;
    }
    return sum;
  }
  static double SecondsUntil(const std::function<bool()>& holds) {
    const Clock::time_point start = Clock::now();
    while (!holds() && Clock::now() - start < std::chrono::seconds(60))
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const double took = std::chrono::duration<double>(Clock::now() - start).count();
    EXPECT_LT(took, 60);
    return took;
  }
  bool HasTwoCopies(int router) { return Metric(router, "router_expert_copies_min") >= 2; }

  std::vector<uint64_t> Pairs(int router) {
    grpc::ClientContext context;
    v1::RouterStatus status;
    EXPECT_TRUE(stubs_[router]->GetStatus(&context, {}, &status).ok());
    std::vector<uint64_t> pairs;
    for (const v1::WorkerStatus& worker : status.workers()) pairs.push_back(worker.pairs());
    return pairs;
  }
  // Of those that computed anything in a while: the busiest relative to the mean, and how many.
  std::pair<double, size_t> Imbalance(int router) {
    const std::vector<uint64_t> before = Pairs(router);
    std::this_thread::sleep_for(std::chrono::seconds(2));
    const std::vector<uint64_t> after = Pairs(router);
    double most = 0, sum = 0;
    size_t count = 0;
    for (size_t w = 0; w < before.size(); ++w) {
      const auto pairs = static_cast<double>(after[w] - before[w]);
      most = std::max(most, pairs);
      sum += pairs;
      count += pairs > 0 ? 1 : 0;
    }
    return {most / (sum / static_cast<double>(count)), count};
  }

  const std::string kModel = "--model=tools/demo_model/checkpoint";
  const std::string kToken = "--cluster_token_file=" + Temp("token");
  std::unique_ptr<ChildProcess> routers_[kRouters], workers_[kWorkersMax];
  std::string addresses_[kRouters];
  int metrics_ports_[kRouters] = {};
  std::unique_ptr<v1::Generator::Stub> stubs_[kRouters];
};

TEST_F(PlannedProcessesTest, WorkersAndRoutersComeAndGoAndNobodyNotices) {
  for (int w = 0; w < 2; ++w) StartWorker(w);
  std::vector<v1::GenerateRequest> requests;
  std::vector<std::vector<int32_t>> expected;
  std::mt19937 rng(12);
  for (int i = 0; i < kStreams; ++i) {
    std::vector<int32_t> prompt = {2};
    for (int t = 0; t < 24; ++t) prompt.push_back(300 + static_cast<int32_t>(rng() % 1000));
    requests.push_back(TokensRequest(prompt, kTokens));
    const Reply reply = ReadAll(*stubs_[i % kRouters], requests.back());  // waits for the experts
    ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
    expected.push_back(reply.ids());
  }
  SecondsUntil([&] { return HasTwoCopies(0) && HasTwoCopies(1); });
  // A look that was late for a call does not plan.
  SecondsUntil([&] { return Metric(0, "router_planning") + Metric(1, "router_planning") == 1; });
  SteadyStreams first(stubs_[0].get(), requests, expected);
  auto second = std::make_unique<SteadyStreams>(stubs_[1].get(), requests, expected);

  for (int w = 2; w < 4; ++w) StartWorker(w);
  const double joined = SecondsUntil([&] {
    const std::vector<uint64_t> pairs = Pairs(0);
    return pairs.size() == 4 && std::count(pairs.begin(), pairs.end(), uint64_t{0}) == 0;
  });
  // A worker that a busy machine made silent is left alone for up to ten seconds.
  std::pair<double, size_t> shares;
  SecondsUntil([&] {
    shares = Imbalance(0);
    return shares.second == 4;
  });
  std::printf(
      "2 -> 4 workers: all carry load after %.1f s, then the busiest has %.2f of the mean\n",
      joined, shares.first);

  for (int w = 0; w < 2; ++w) workers_[w]->Signal(SIGTERM);
  const Clock::time_point drain = Clock::now();
  for (int w = 0; w < 2; ++w) EXPECT_EQ(workers_[w]->Wait(), 0);
  std::printf("4 -> 2 workers: drained in %.1f s\n",
              std::chrono::duration<double>(Clock::now() - drain).count());
  SecondsUntil([&] { return HasTwoCopies(0); });

  StartWorker(4);
  SecondsUntil([&] { return Metric(0, "router_worker_connected") == 3; });
  workers_[2]->Signal(SIGKILL);
  workers_[2]->Wait();
  SecondsUntil([&] { return Metric(0, "router_worker_connected") == 2; });
  std::printf("a worker killed: two copies of everything again after %.1f s\n",
              SecondsUntil([&] { return HasTwoCopies(0) && HasTwoCopies(1); }));

  // The router that plans dies; the streams of the other go on, and it plans.
  const int planner = Metric(0, "router_planning") == 1 ? 0 : 1;
  if (planner == 0) std::swap(stubs_[0], stubs_[1]);
  EXPECT_GT(first.num_finished(), 0);
  EXPECT_GT(second->num_finished(), 0);
  first.Stop();
  second->Stop();
  SteadyStreams survivor(stubs_[0].get(), requests, expected);
  routers_[planner]->Signal(SIGKILL);
  routers_[planner]->Wait();
  std::printf("the planning router killed: another plans after %.1f s\n",
              SecondsUntil([&] { return Metric(1 - planner, "router_planning") == 1; }));
  survivor.Stop();
  EXPECT_GT(survivor.num_finished(), 0);
}

}  // namespace
}  // namespace coterie
