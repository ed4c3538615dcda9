// Real processes, two copies of every expert: workers are killed and stopped at random moments
// while 16 streams decode. No request fails and no token differs, and the dead worker carries load
// again when it is back.
//
// KILLS=100 bazel test //tests/cluster:kill_test --test_env=KILLS --test_output=all
// does more of it and prints how long streams stood still.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/child_process.h"
#include "tests/testing/cluster.h"
#include "tests/testing/steady_streams.h"

namespace coterie {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWorkers = 4;
constexpr int kStreams = 16;
constexpr uint32_t kTokens = 80;

std::string Temp(const std::string& name) { return absl::StrCat(testing::TempDir(), "/", name); }

int NumKills() {
  const char* const text = std::getenv("KILLS");
  return text != nullptr ? std::max(1, std::atoi(text)) : 4;
}

class KillTest : public testing::Test {
 protected:
  KillTest() {
    std::string addresses;
    for (int i = 0; i < kWorkers; ++i) {
      StartWorker(i);
      ports_[i] = WaitForPort(Temp(absl::StrCat("worker", i)));
      absl::StrAppend(&addresses, i == 0 ? "" : ",", "127.0.0.1:", ports_[i]);
    }
    router_ = std::make_unique<ChildProcess>(
        "router/router",
        std::vector<std::string>{kModel, "--workers=" + addresses, "--port=0", "--http_port=-1",
                                 "--port_file=" + Temp("router"), "--threads=1",
                                 absl::StrCat("--max_sequences=", kStreams)},
        Temp("router.log"));
    stub_ = v1::Generator::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", WaitForPort(Temp("router"))),
                            grpc::InsecureChannelCredentials()));
    std::mt19937 rng(11);
    for (int i = 0; i < kStreams; ++i) {
      std::vector<int32_t> prompt = {2};
      for (int t = 0; t < 24; ++t) prompt.push_back(300 + static_cast<int32_t>(rng() % 1000));
      requests_.push_back(TokensRequest(prompt, kTokens));
      expected_.push_back(ReadAll(*stub_, requests_.back()).ids());
      EXPECT_EQ(expected_.back().size(), kTokens);
    }
  }
  ~KillTest() override {
    unlink(Temp("router").c_str());
    for (int i = 0; i < kWorkers; ++i) unlink(Temp(absl::StrCat("worker", i)).c_str());
  }

  void StartWorker(int index) {
    const std::string name = absl::StrCat("worker", index);
    unlink(Temp(name).c_str());
    workers_[index] = std::make_unique<ChildProcess>(
        "expert_worker/expert_worker",
        std::vector<std::string>{kModel, absl::StrCat("--shard=", index, "/", kWorkers, "x2"),
                                 absl::StrCat("--port=", ports_[index]),
                                 "--port_file=" + Temp(name), "--threads=1"},
        Temp(name + ".log"));
  }

  uint64_t PairsOf(int worker) {
    grpc::ClientContext context;
    v1::RouterStatus status;
    EXPECT_TRUE(stub_->GetStatus(&context, {}, &status).ok());
    return status.workers(worker).pairs();
  }
  // Until the router has rows computed there again.
  double SecondsUntilUsed(int worker) {
    const Clock::time_point start = Clock::now();
    const uint64_t before = PairsOf(worker);
    while (PairsOf(worker) == before && Clock::now() - start < std::chrono::seconds(60))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  static void Report(const char* what, std::vector<double> values, const char* unit) {
    std::sort(values.begin(), values.end());
    const auto at = [&](double share) {
      return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
    };
    std::printf("%s: median %.1f, p99 %.1f, most %.1f %s of %zu\n", what, at(0.5), at(0.99), at(1),
                unit, values.size());
  }

  const std::string kModel = "--model=tools/demo_model/checkpoint";
  std::unique_ptr<ChildProcess> workers_[kWorkers];
  int ports_[kWorkers] = {};
  std::unique_ptr<ChildProcess> router_;
  std::unique_ptr<v1::Generator::Stub> stub_;
  std::vector<v1::GenerateRequest> requests_;
  std::vector<std::vector<int32_t>> expected_;
};

void Append(std::vector<double>* to, const std::vector<double>& from) {
  to->insert(to->end(), from.begin(), from.end());
}

TEST_F(KillTest, NobodyNoticesThatWorkersAreKilled) {
  SteadyStreams streams(stub_.get(), requests_, expected_);
  std::mt19937 rng(3);
  std::vector<double> quiet, gaps, back;
  for (int kill = 0; kill < NumKills() && !HasFailure(); ++kill) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500 + rng() % 200));
    Append(&quiet, streams.TakeGaps());
    const int worker = static_cast<int>(rng() % kWorkers);
    workers_[worker]->Signal(SIGKILL);
    workers_[worker]->Wait();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    Append(&gaps, streams.TakeGaps());
    StartWorker(worker);
    back.push_back(SecondsUntilUsed(worker));
    EXPECT_LT(back.back(), 30) << "worker " << worker << " is not used again";
  }
  const int finished = streams.num_finished();
  streams.Stop();
  EXPECT_GT(finished, kStreams);
  Report("longest gap of a stream in half a second without a fault", quiet, "ms");
  Report("longest gap of a stream around a kill", gaps, "ms");
  // Whoever waited for --dispatch_timeout stood twice as long.
  EXPECT_LT(*std::max_element(gaps.begin(), gaps.end()), 5000);
  EXPECT_LT(*std::max_element(quiet.begin(), quiet.end()), 5000);
  Report("from the start of a worker to its first rows", back, "s");
}

TEST_F(KillTest, NobodyNoticesThatWorkersFallSilent) {
  SteadyStreams streams(stub_.get(), requests_, expected_);
  std::mt19937 rng(4);
  std::vector<double> gaps, back;
  for (int stop = 0; stop < NumKills() && !HasFailure(); ++stop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500 + rng() % 200));
    streams.TakeGaps();
    const int worker = static_cast<int>(rng() % kWorkers);
    workers_[worker]->Signal(SIGSTOP);
    std::this_thread::sleep_for(std::chrono::milliseconds(2000));
    Append(&gaps, streams.TakeGaps());
    workers_[worker]->Signal(SIGCONT);
    back.push_back(SecondsUntilUsed(worker));
    EXPECT_LT(back.back(), 30) << "worker " << worker << " is not used again";
  }
  streams.Stop();
  Report("longest gap of a stream around a silence", gaps, "ms");
  EXPECT_LT(*std::max_element(gaps.begin(), gaps.end()), 1500);
  Report("from its end to the worker's next rows", back, "s");
}

}  // namespace
}  // namespace coterie
