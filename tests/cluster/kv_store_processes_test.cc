// Contexts that outlive routers and stores, with real processes: what one router has computed
// another takes from kv_store processes, also when one of these was killed, and gives the same
// tokens.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/testing/cluster.h"
#include "tests/testing/running_process.h"

namespace coterie {
namespace {

class KvStoreProcessesTest : public testing::Test {
 protected:
  KvStoreProcessesTest() {
    for (const char* name : {"store0", "store1"}) {
      stores_.push_back(
          RunningProcess::Start(name, "kv_store/kv_store", {"--memory_bytes=500000000"}));
      absl::StrAppend(&addresses_, addresses_.empty() ? "" : ",", stores_.back().address);
    }
    std::mt19937 rng(4);
    prompt_ = {2};
    for (int t = 0; t < 1500; ++t) prompt_.push_back(300 + static_cast<int32_t>(rng() % 1000));
  }

  RunningProcess StartRouter(const std::string& name) {
    // Patience for a machine that is busy with other tests.
    return RunningProcess::Start(
        name, "router/router",
        {"--model=tools/demo_model/checkpoint", "--http_port=-1", "--threads=1",
         "--kv_store=" + addresses_, "--kv_store_copies=2", "--kv_store_patience=2s"});
  }
  Reply Ask(const RunningProcess& router) {
    const auto stub = v1::Generator::NewStub(
        grpc::CreateChannel(router.address, grpc::InsecureChannelCredentials()));
    Reply reply = ReadAll(*stub, TokensRequest(prompt_, 8));
    EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
    return reply;
  }

  // The most tokens that a new router found in the stores, of one try and others until it is
  // `enough`: on a busy machine a fetch falls behind, and some are computed meanwhile. Every answer
  // has the same tokens.
  uint32_t MostFound(const std::vector<int32_t>& expected, uint32_t enough) {
    uint32_t most = 0;
    for (int i = 0; i == 0 || (i < 10 && most < enough); ++i) {
      const RunningProcess router = StartRouter("next_router");
      const Reply reply = Ask(router);
      EXPECT_EQ(reply.ids(), expected);
      most = std::max<uint32_t>(most, reply.usage.cached_tokens());
      router.process->Signal(SIGKILL);
      router.process->Wait();
    }
    return most;
  }

  std::vector<RunningProcess> stores_;
  std::string addresses_;
  std::vector<int32_t> prompt_;
};

TEST_F(KvStoreProcessesTest, AnotherRouterGoesOnFromWhatADeadOneHasComputed) {
  const RunningProcess first = StartRouter("first_router");
  const Reply computed = Ask(first);
  EXPECT_EQ(computed.usage.cached_tokens(), 0u);
  first.process->Signal(SIGTERM);  // what is still to be written is written
  EXPECT_EQ(first.process->Wait(), 0);

  constexpr uint32_t kAllButTheLastBlocks = 1344;
  EXPECT_GE(MostFound(computed.ids(), kAllButTheLastBlocks), kAllButTheLastBlocks);
  // One of two copies is enough.
  stores_[0].process->Signal(SIGKILL);
  stores_[0].process->Wait();
  EXPECT_GE(MostFound(computed.ids(), kAllButTheLastBlocks), kAllButTheLastBlocks);
  // None is no more than what it takes to compute again.
  stores_[1].process->Signal(SIGKILL);
  stores_[1].process->Wait();
  EXPECT_EQ(MostFound(computed.ids(), 0), 0u);
}

}  // namespace
}  // namespace coterie
