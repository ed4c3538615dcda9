// The system's clock is set while a router uses its stores: nothing is given up for it, and nothing
// waits for it.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kernels/check.h"
#include "kv_store/client/grpc_block_store.h"
#include "ops/process/clock.h"
#include "proto/kv.grpc.pb.h"
#include "tests/kv_store/objects.h"
#include "tests/kv_store/test_node.h"
#include "tests/testing/jumping_clock.h"

namespace coterie {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);  // with a hang; nothing here takes as long

bool Gets(GrpcBlockStore* store, absl::Time deadline) {
  bool came = false;
  std::promise<void> ended;
  store->Get(
      {TestKey(1)}, deadline,
      [&](size_t, const StoredObject& object) { came = object.bytes != nullptr; },
      [&](const absl::Status&) { ended.set_value(); });
  ended.get_future().wait();
  return came;
}

class ClockJumpsTest : public testing::Test {
 protected:
  ~ClockJumpsTest() override { JumpingClock::SetOffset(absl::ZeroDuration()); }
};

TEST_F(ClockJumpsTest, ADeadlineIsAsFarAwayAsItWas) {
  TestNode node;
  const auto store = *GrpcBlockStore::Create({.members = {node.address()}});
  ASSERT_TRUE(store->Put({{TestKey(1), TestPayload(1, 1000)}}, {}));
  ASSERT_TRUE(store->Flush(MonotonicNow() + kPatience));
  for (const absl::Duration jump : {absl::Hours(5), -absl::Hours(5)}) {
    const absl::Time deadline = MonotonicNow() + kPatience;
    JumpingClock::SetOffset(jump);
    EXPECT_TRUE(Gets(store.get(), deadline)) << jump;
  }
}

// Fails, and is well again, without the connection breaking: how gRPC waits before it connects
// again is its own affair.
class Ailing : public v1::KvObjects::Service {
 public:
  Ailing() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    CHECK(server_ != nullptr) << address_;
  }
  const std::string& address() const { return address_; }
  grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest* request,
                   grpc::ServerWriter<v1::ObjectFrame>* writer) override {
    if (is_ill_) return {grpc::StatusCode::UNAVAILABLE, "ill"};
    while (is_stuck_ && !context->IsCancelled())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // stuck
    v1::ObjectFrame frame;
    const auto payload = TestPayload(1, 1000);
    frame.set_key(request->keys());
    frame.set_checksum(ObjectChecksum(TestKey(1), *payload));
    frame.set_payload(*payload);
    writer->Write(frame);
    return grpc::Status::OK;
  }
  void set_is_ill(bool is_ill) { is_ill_ = is_ill; }
  void set_is_stuck(bool is_stuck) { is_stuck_ = is_stuck; }

 private:
  const std::string address_ =
      absl::StrCat("unix-abstract:coterie-ailing-", std::random_device()());
  std::atomic<bool> is_ill_{false}, is_stuck_{false};
  std::unique_ptr<grpc::Server> server_;  // last: it calls the above
};

// gRPC waits for its deadlines by the system's clock.
TEST_F(ClockJumpsTest, AStuckNodeIsWaitedForNoLonger) {
  Ailing node;
  node.set_is_stuck(true);
  const auto store = *GrpcBlockStore::Create({.members = {node.address()}});
  for (const absl::Duration jump : {absl::Hours(5), -absl::Hours(5)}) {
    const absl::Time start = MonotonicNow();
    std::promise<void> ended;
    store->Get(
        {TestKey(1)}, start + absl::Seconds(5),
        [](size_t, const StoredObject& object) { EXPECT_EQ(object.bytes, nullptr); },
        [&](const absl::Status&) { ended.set_value(); });
    JumpingClock::SetOffset(jump);
    ended.get_future().wait();
    EXPECT_LT(MonotonicNow() - start, kPatience) << jump;
  }
}

TEST_F(ClockJumpsTest, ANodeThatFailedIsNotLeftAloneForHours) {
  Ailing node;
  const auto store = *GrpcBlockStore::Create({.members = {node.address()}});
  for (const absl::Duration jump : {absl::Hours(5), -absl::Hours(5)}) {
    node.set_is_ill(true);
    EXPECT_FALSE(Gets(store.get(), MonotonicNow() + kPatience));
    EXPECT_EQ(store->counts().members_usable, 0u);
    JumpingClock::SetOffset(jump);
    node.set_is_ill(false);
    const absl::Time give_up = MonotonicNow() + kPatience;
    bool is_back = false;
    while (!is_back && MonotonicNow() < give_up) {
      is_back = Gets(store.get(), MonotonicNow() + kPatience);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the pace of asking
    }
    EXPECT_TRUE(is_back) << jump;
  }
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::JumpingClock::RunUnderIt(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
