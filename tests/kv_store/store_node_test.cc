// Memory and disk together.
#include "kv_store/store_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "tests/kv_store/fault_folder.h"
#include "tests/kv_store/objects.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;

absl::Time Soon() { return absl::Now() + absl::Seconds(60); }

class StoreNodeTest : public testing::Test {
 protected:
  void Start(bool with_disk = true) {
    node_.reset();
    std::unique_ptr<FileStore> folder;
    if (with_disk) folder = std::make_unique<FaultFolder>(disk_);
    auto node = StoreNode::Create(options_, std::move(folder), absl::Now());
    ASSERT_TRUE(node.ok()) << node.status();
    node_ = *std::move(node);
  }
  absl::Status Put(int n, size_t size) {
    auto reservation = node_->Reserve(TestName(n), size, absl::Now());
    if (!reservation.ok()) return reservation.status();
    const auto payload = TestPayload(n, size);
    return node_->Commit(*std::move(reservation), MeasurePayload(TestKey(n), payload),
                         ObjectChecksum(TestKey(n), *payload), absl::Now());
  }
  bool Reads(int n, size_t size) {
    const ObjectRef object = node_->Read(TestKey(n), absl::Now());
    EXPECT_TRUE(object == nullptr || object->payload() == *TestPayload(n, size)) << n;
    return object != nullptr;
  }

  const std::shared_ptr<FaultDisk> disk_ = std::make_shared<FaultDisk>();
  StoreNode::Options options_ = {.memory = {.capacity_bytes = 20000},
                                 .disk = {.capacity_bytes = 4 << 20, .segment_bytes = 256 << 10}};
  std::unique_ptr<StoreNode> node_;
};

TEST_F(StoreNodeTest, WhatMemoryForgetsIsReadFromDisk) {
  Start();
  for (int n = 0; n < 100; ++n) {
    ASSERT_TRUE(Put(n, 1000).ok());
    ASSERT_TRUE(node_->Flush(Soon()));
  }
  EXPECT_THAT(node_->Find(std::vector{TestKey(0), TestKey(100), TestKey(99)}, absl::Now()),
              ElementsAre(true, false, true));
  for (int n = 0; n < 100; ++n) EXPECT_TRUE(Reads(n, 1000)) << n;
  EXPECT_FALSE(Reads(100, 1000));
  const StoreNode::Counts counts = node_->counts();
  EXPECT_EQ(counts.stored, 100u);
  EXPECT_GT(counts.disk_hits, 80u);
  EXPECT_EQ(counts.misses, 1u);
  EXPECT_LE(node_->memory().used_bytes(), 20000u);
}

TEST_F(StoreNodeTest, ARestartBringsBackWhatWasFlushed) {
  Start();
  for (int n = 0; n < 50; ++n) {
    ASSERT_TRUE(Put(n, 1000).ok());
    ASSERT_TRUE(node_->Flush(Soon()));
  }
  Start();
  for (int n = 0; n < 50; ++n) EXPECT_TRUE(Reads(n, 1000)) << n;
  EXPECT_TRUE(absl::IsAlreadyExists(Put(7, 1000)));
}

TEST_F(StoreNodeTest, ABrokenDiskNeverHoldsMemoryUp) {
  Start();
  {
    std::lock_guard<std::mutex> lock(disk_->mu);
    disk_->capacity = 0;
  }
  for (int n = 0; n < 100; ++n) {
    ASSERT_TRUE(Put(n, 1000).ok());
    EXPECT_TRUE(Reads(n, 1000));
    ASSERT_TRUE(node_->Flush(Soon()));
  }
  EXPECT_EQ(node_->counts().write_behind_dropped, 100u);
}

TEST_F(StoreNodeTest, WhatDoesNotFitTheQueueIsNotWritten) {
  options_.write_queue_bytes = 500;
  Start();
  ASSERT_TRUE(Put(1, 1000).ok());
  EXPECT_TRUE(Reads(1, 1000));
  EXPECT_EQ(node_->counts().write_behind_dropped, 1u);
  EXPECT_TRUE(node_->Flush(Soon()));
  EXPECT_EQ(node_->disk()->num_objects(), 0u);
}

TEST_F(StoreNodeTest, AnObjectThatIsPromotedKeepsItsTenant) {
  Start();
  ASSERT_TRUE(Put(1, 1000).ok());
  ASSERT_TRUE(node_->Flush(Soon()));
  Start();
  ASSERT_TRUE(Reads(1, 1000));
  EXPECT_EQ(node_->memory().tenant_bytes().at("t"), 1000u);
}

TEST_F(StoreNodeTest, RemovedFromOneItIsRemovedFromAll) {
  Start();
  ASSERT_TRUE(Put(1, 1000).ok());
  ASSERT_TRUE(node_->Flush(Soon()));
  EXPECT_TRUE(node_->Remove(TestKey(1)));
  EXPECT_FALSE(node_->Remove(TestKey(1)));
  EXPECT_FALSE(Reads(1, 1000));
}

TEST_F(StoreNodeTest, AListNamesEveryObjectOnceAndItsTiers) {
  Start();
  for (int n = 0; n < 40; ++n) {
    ASSERT_TRUE(Put(n, 1000).ok());
    ASSERT_TRUE(node_->Flush(Soon()));
  }
  int num_listed = 0, num_in_memory = 0;
  node_->List([&](const StoreNode::Listed& listed) {
    ++num_listed;
    num_in_memory += listed.in_memory ? 1 : 0;
    EXPECT_TRUE(listed.on_disk);
    EXPECT_EQ(listed.payload_bytes, 1000u);
    return true;
  });
  EXPECT_EQ(num_listed, 40);
  EXPECT_EQ(num_in_memory, 20);
}

TEST_F(StoreNodeTest, VerifyFindsWhatIsDamaged) {
  Start();
  for (int n = 0; n < 10; ++n) ASSERT_TRUE(Put(n, 1000).ok());
  ASSERT_TRUE(node_->Flush(Soon()));
  Start();
  {
    std::lock_guard<std::mutex> lock(disk_->mu);
    (*disk_->files.begin()->second)[kSegmentHeaderBytes + kRecordHeaderBytes + 10] ^= 1;
  }
  const StoreNode::Verified verified = node_->Verify(Soon());
  EXPECT_EQ(verified.num_sound, 9u);
  EXPECT_EQ(verified.num_damaged, 1u);
  EXPECT_EQ(node_->Verify(Soon()).num_damaged, 0u);
}

TEST_F(StoreNodeTest, WithoutADiskItIsMemoryAlone) {
  Start(false);
  ASSERT_TRUE(Put(1, 1000).ok());
  EXPECT_TRUE(Reads(1, 1000));
  EXPECT_TRUE(node_->Flush(Soon()));
  EXPECT_EQ(node_->Verify(Soon()).num_sound, 1u);
  EXPECT_EQ(node_->disk(), nullptr);
}

}  // namespace
}  // namespace coterie
