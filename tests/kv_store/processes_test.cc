// The binaries as an operator runs them: killed, started again on the same folder, asked by
// kv_store_ctl, drained.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kv_store/client/grpc_block_store.h"
#include "tests/kv_store/objects.h"
#include "tests/testing/child_process.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

constexpr int kObjects = 2000;
constexpr size_t kBytes = 20000;

std::string Temp(const std::string& name) { return absl::StrCat(getenv("TEST_TMPDIR"), "/", name); }

std::string TextOf(const std::string& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

class KvProcessesTest : public testing::Test {
 protected:
  void Start() {
    unlink(Temp("port").c_str());
    node_ = std::make_unique<ChildProcess>(
        "kv_store/kv_store",
        std::vector<std::string>{"--folder=" + Temp("folder"), "--disk_bytes=400000000",
                                 "--segment_bytes=16000000", "--memory_bytes=200000000",
                                 "--port_file=" + Temp("port")},
        Temp("node.log"));
    address_ = absl::StrCat("127.0.0.1:", WaitForPort(Temp("port")));
    store_ = *GrpcBlockStore::Create({.members = {address_}});
  }
  int Ctl(const std::string& command) {
    ChildProcess ctl("kv_store/kv_store_ctl", {"--store=" + address_, "--command=" + command},
                     Temp("ctl.log"));
    return ctl.Wait();
  }
  int Get() {
    std::vector<ObjectKey> keys;
    for (int n = 0; n < kObjects; ++n) keys.push_back(TestKey(n));
    std::atomic<int> num_came = 0;
    std::promise<void> ended;
    store_->Get(
        keys, absl::Now() + absl::Seconds(60),
        [&](size_t index, const StoredObject& object) {
          if (object.bytes == nullptr) return;
          ++num_came;
          EXPECT_TRUE(*object.bytes == *TestPayload(static_cast<int>(index), kBytes)) << index;
        },
        [&](const absl::Status&) { ended.set_value(); });
    ended.get_future().wait();
    return num_came;
  }

  std::unique_ptr<ChildProcess> node_;
  std::string address_;
  std::unique_ptr<GrpcBlockStore> store_;
};

TEST_F(KvProcessesTest, ANodeThatIsKilledComesBackWithWhatItHad) {
  Start();
  std::vector<StoredObject> objects;
  for (int n = 0; n < kObjects; ++n) objects.push_back({TestKey(n), TestPayload(n, kBytes)});
  ASSERT_TRUE(store_->Put(std::move(objects), {.tenant = "t"}));
  ASSERT_TRUE(store_->Flush(absl::Now() + absl::Seconds(60)));
  EXPECT_EQ(Get(), kObjects);
  EXPECT_EQ(Ctl("drain"), 0) << "all is on disk";
  node_->Signal(SIGKILL);
  EXPECT_EQ(node_->Wait(), -SIGKILL);

  Start();
  EXPECT_GE(Get(), kObjects * 99 / 100);
  EXPECT_EQ(Ctl("verify"), 0);
  EXPECT_EQ(Ctl("stats"), 0);
  EXPECT_EQ(Ctl("nothing"), 2);
  EXPECT_THAT(TextOf(Temp("node.log")), HasSubstr("folder read"));
  const absl::Time asked = absl::Now();
  node_->Signal(SIGTERM);
  EXPECT_EQ(node_->Wait(), 0);
  EXPECT_LT(absl::Now() - asked, absl::Seconds(8)) << "nothing is in hand to wait for";
}

}  // namespace
}  // namespace coterie
