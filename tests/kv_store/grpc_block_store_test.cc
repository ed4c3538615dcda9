// The store over the network: one node and several, whole, dead, hung, damaged and new.
#include "kv_store/client/grpc_block_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "kv_store/client/rendezvous.h"
#include "tests/kv_store/objects.h"
#include "tests/kv_store/test_node.h"

namespace coterie {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

class GrpcBlockStoreTest : public testing::Test {
 protected:
  void Start(int num_nodes, size_t copies) {
    for (int i = 0; i < num_nodes; ++i) nodes_.push_back(std::make_unique<TestNode>());
    Connect(copies);
  }
  void Connect(size_t copies) {
    GrpcBlockStore::Options options{.copies = copies};
    for (const auto& node : nodes_) options.members.push_back(node->address());
    store_ = *GrpcBlockStore::Create(options);
  }

  static std::vector<ObjectKey> Keys(int from, int to) {
    std::vector<ObjectKey> keys;
    for (int n = from; n < to; ++n) keys.push_back(TestKey(n));
    return keys;
  }
  void Put(int from, int to, size_t size) {
    std::vector<StoredObject> objects;
    for (int n = from; n < to; ++n) objects.push_back({TestKey(n), TestPayload(n, size)});
    ASSERT_TRUE(store_->Put(std::move(objects), {.tenant = "t"}));
    ASSERT_TRUE(store_->Flush(Soon()));
  }
  absl::StatusOr<std::vector<bool>> Find(int from, int to, absl::Time deadline = Soon()) {
    std::promise<absl::StatusOr<std::vector<bool>>> found;
    store_->Find(Keys(from, to), deadline,
                 [&](absl::StatusOr<std::vector<bool>> present) { found.set_value(present); });
    return found.get_future().get();
  }
  // How many came; none is wrong, and each is called once.
  int Get(int from, int to, size_t size, absl::Time deadline = Soon()) {
    std::promise<absl::Status> ended;
    std::multiset<size_t> called;
    int num_came = 0;
    std::mutex mu;
    store_->Get(
        Keys(from, to), deadline,
        [&](size_t index, const StoredObject& object) {
          std::lock_guard<std::mutex> lock(mu);
          called.insert(index);
          if (object.bytes == nullptr) return;
          ++num_came;
          EXPECT_EQ(*object.bytes, *TestPayload(from + static_cast<int>(index), size));
        },
        [&](const absl::Status& status) { ended.set_value(status); });
    last_status_ = ended.get_future().get();
    EXPECT_EQ(called.size(), static_cast<size_t>(to - from));
    EXPECT_EQ(std::set<size_t>(called.begin(), called.end()).size(), called.size());
    return num_came;
  }
  // A node that was away is left alone for a while.
  void WaitForAll() {
    const absl::Time deadline = Soon();
    for (;;) {
      ASSERT_LT(absl::Now(), deadline);
      const GrpcBlockStore::Counts before = store_->counts();
      Find(1000, 1200).status().IgnoreError();  // of none, so that all are waited for
      if (before.members_usable == nodes_.size() &&
          store_->counts().failed_calls == before.failed_calls) {
        return;
      }
    }
  }
  absl::StatusOr<StoredJournal> GetJournal(const std::string& id) {
    std::promise<absl::StatusOr<StoredJournal>> got;
    store_->GetJournal(id, Soon(),
                       [&](absl::StatusOr<StoredJournal> journal) { got.set_value(journal); });
    return got.get_future().get();
  }

  std::vector<std::unique_ptr<TestNode>> nodes_;
  std::unique_ptr<GrpcBlockStore> store_;
  absl::Status last_status_;
};

TEST_F(GrpcBlockStoreTest, WhatWasPutIsFoundAndRead) {
  Start(1, 1);
  Put(0, 20, 100000);
  EXPECT_EQ(Get(0, 21, 100000), 20);
  EXPECT_TRUE(last_status_.ok()) << last_status_;
  const auto present = Find(18, 22);
  ASSERT_TRUE(present.ok()) << present.status();
  EXPECT_THAT(*present, ElementsAre(true, true, false, false));
  EXPECT_EQ(store_->counts().put_objects, 20u);
  EXPECT_EQ(store_->counts().read_bytes, 2000000u);
}

TEST_F(GrpcBlockStoreTest, WhatIsThereCostsNoTransfer) {
  Start(1, 1);
  Put(0, 10, 1000);
  const uint64_t received = nodes_[0]->objects().counts().written_bytes;
  Put(0, 12, 1000);
  EXPECT_EQ(nodes_[0]->objects().counts().written_bytes, received + 2000);
  EXPECT_EQ(store_->counts().put_present, 10u);
}

TEST_F(GrpcBlockStoreTest, EmptyCallsEnd) {
  Start(1, 1);
  EXPECT_EQ(Get(0, 0, 1), 0);
  EXPECT_TRUE(Find(0, 0)->empty());
}

TEST_F(GrpcBlockStoreTest, ExtentsAndEmptyObjectsTravel) {
  Start(1, 1);
  Put(0, 3, size_t{5} << 20);
  EXPECT_EQ(Get(0, 3, size_t{5} << 20), 3);
  Put(3, 4, 0);
  EXPECT_EQ(Get(3, 4, 0), 1);
}

TEST_F(GrpcBlockStoreTest, ObjectsAreSpreadOverTheMembers) {
  Start(3, 1);
  Put(0, 300, 100);
  size_t sum = 0;
  for (const auto& node : nodes_) {
    EXPECT_GT(node->node().memory().num_objects(), 60u);
    sum += node->node().memory().num_objects();
  }
  EXPECT_EQ(sum, 300u);
  EXPECT_EQ(Get(0, 300, 100), 300);
}

TEST_F(GrpcBlockStoreTest, WithTwoCopiesTheDeathOfANodeLosesNothing) {
  Start(3, 2);
  Put(0, 200, 500);
  for (const auto& node : nodes_) ASSERT_TRUE(node->node().Flush(Soon()));
  for (const auto& node : nodes_) {
    node->Stop();
    EXPECT_EQ(Get(0, 200, 500), 200);
    EXPECT_THAT(*Find(0, 200), Each(true));
    node->Start();  // from its disk
    WaitForAll();
  }
}

TEST_F(GrpcBlockStoreTest, ARestartedNodeHasItsObjects) {
  Start(1, 1);
  Put(0, 500, 1000);
  ASSERT_TRUE(nodes_[0]->node().Flush(Soon()));
  nodes_[0]->Stop();
  EXPECT_EQ(Get(0, 10, 1000), 0);
  EXPECT_TRUE(absl::IsUnavailable(last_status_)) << last_status_;
  nodes_[0]->Start();
  WaitForAll();
  EXPECT_EQ(Get(0, 500, 1000), 500);
}

TEST_F(GrpcBlockStoreTest, ADeadStoreFailsAtOnce) {
  Start(2, 2);
  for (const auto& node : nodes_) node->Stop();
  Get(0, 1, 1);  // learns it
  const absl::Time start = absl::Now();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Get(0, 100, 1), 0);
    EXPECT_TRUE(absl::IsUnavailable(last_status_)) << last_status_;
    EXPECT_TRUE(absl::IsUnavailable(Find(0, 100).status()));
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  EXPECT_FALSE(store_->Put({{TestKey(1), TestPayload(1, 10)}}, {}));
}

TEST_F(GrpcBlockStoreTest, AMemberThatJoinsCostsNoMissesAndIsFilled) {
  Start(2, 1);
  Put(0, 200, 300);
  nodes_.push_back(std::make_unique<TestNode>());
  Connect(1);
  EXPECT_THAT(*Find(0, 200), Each(true));
  EXPECT_EQ(Get(0, 200, 300), 200);
  ASSERT_TRUE(store_->Flush(Soon()));
  const size_t moved = nodes_[2]->node().memory().num_objects();
  EXPECT_GT(moved, 30u);
  EXPECT_LT(moved, 110u) << "only what the new member takes over";
  EXPECT_EQ(nodes_[2]->node().memory().tenant_bytes().at("t"), moved * 300);
  const uint64_t repaired = store_->counts().repaired;
  EXPECT_EQ(Get(0, 200, 300), 200);
  EXPECT_EQ(store_->counts().repaired, repaired);
}

TEST_F(GrpcBlockStoreTest, DamageInANodesMemoryOrOnItsDiskIsAMiss) {
  Start(1, 1);
  Put(0, 50, 2000);
  ASSERT_TRUE(nodes_[0]->node().Flush(Soon()));
  nodes_[0]->Stop();
  for (auto& [_, file] : nodes_[0]->disk().files) {
    for (size_t at = 5000; at < file->size(); at += 9973) (*file)[at] ^= 4;
  }
  nodes_[0]->Start();
  Connect(1);
  const int came = Get(0, 50, 2000);
  EXPECT_LT(came, 50);
  EXPECT_GT(came, 20);
  const DiskTier::Counts counts = nodes_[0]->node().disk()->counts();
  EXPECT_GT(counts.corrupt + counts.recovered_gaps, 0u);
}

TEST_F(GrpcBlockStoreTest, JournalsAreReadFromTheMemberThatHasTheLatest) {
  Start(3, 1);
  EXPECT_TRUE(absl::IsNotFound(GetJournal("r").status()));
  store_->PutJournal("r", 1, "one", absl::Minutes(1), nullptr);
  store_->PutJournal("r", 2, "two", absl::Minutes(1), nullptr);
  const absl::Time deadline = Soon();
  while ((!GetJournal("r").ok() || GetJournal("r")->version < 2) && absl::Now() < deadline)
    absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(GetJournal("r")->bytes, "two");
  const auto holder = std::find_if(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return node->node().journals().Get("r", absl::Now()).ok();
  });
  ASSERT_NE(holder, nodes_.end());
  (*holder)->Stop();
  EXPECT_EQ(GetJournal("r")->bytes, "two") << "the other copy";
}

TEST_F(GrpcBlockStoreTest, WhetherAJournalIsKeptIsToldOnce) {
  Start(2, 1);  // each journal on both
  const auto kept = [&](uint64_t version) {
    std::promise<bool> told;
    store_->PutJournal("r", version, "bytes", absl::Minutes(1),
                       [&](bool is_kept) { told.set_value(is_kept); });
    return told.get_future().get();
  };
  EXPECT_TRUE(kept(2));
  EXPECT_TRUE(kept(1)) << "a later one is there";
  nodes_[0]->Stop();
  EXPECT_TRUE(kept(3)) << "by the other";
  nodes_[1]->Stop();
  EXPECT_FALSE(kept(4));
  EXPECT_FALSE(kept(5)) << "both are left alone now";
}

TEST_F(GrpcBlockStoreTest, AHintReachesAllOfAContextOnAllItsNodes) {
  nodes_.push_back(
      std::make_unique<TestNode>(StoreNode::Options{.memory = {.capacity_bytes = 10000}}, false));
  nodes_.push_back(
      std::make_unique<TestNode>(StoreNode::Options{.memory = {.capacity_bytes = 10000}}, false));
  Connect(1);
  for (const int context : {0, 10}) {
    std::vector<StoredObject> objects;
    std::vector<ObjectKey> parents;
    for (int n = context; n < context + 10; ++n) {
      objects.push_back({TestKey(n), TestPayload(n, 500)});
      parents.push_back(TestKey(std::max(n - 1, context)));
    }
    ASSERT_TRUE(store_->Put(objects, {.tenant = "t", .parents = parents}));
  }
  ASSERT_TRUE(store_->Flush(Soon()));
  store_->Hint(TestKey(19), StoreHint::kDone);  // the younger one
  const absl::Time deadline = Soon();
  for (const auto& node : nodes_) {
    while (node->node().counts().hints == 0 && absl::Now() < deadline)
      absl::SleepFor(absl::Milliseconds(2));
  }
  const auto held = [](TestNode& node, int from) {
    int count = 0;
    for (int n = from; n < from + 10; ++n) count += node.node().memory().Holds(TestKey(n)) ? 1 : 0;
    return count;
  };
  const std::vector<int> before = {held(*nodes_[0], 0), held(*nodes_[1], 0)};
  Put(100, 120, 500);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(held(*nodes_[i], 0) == before[i] || held(*nodes_[i], 10) == 0)
        << "the older context went before the one that is done";
  }
}

TEST_F(GrpcBlockStoreTest, ClosingEndsWhatIsUnderWay) {
  Start(2, 1);
  Put(0, 20, 100000);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> num_ended = 0;
    for (int i = 0; i < 5; ++i) {
      store_->Get(
          Keys(0, 20), Soon(), [](size_t, const StoredObject&) {},
          [&](const absl::Status&) { ++num_ended; });
      store_->Find(Keys(0, 20), Soon(),
                   [&](const absl::StatusOr<std::vector<bool>>&) { ++num_ended; });
      store_->Put({{TestKey(100 + i), TestPayload(i, 50000)}}, {});
    }
    store_ = nullptr;
    EXPECT_EQ(num_ended, 10);
    Connect(1);
  }
}

TEST(RendezvousTest, AMemberThatJoinsTakesItsShareAndMovesNothingElse) {
  const std::vector<std::string> three = {"a:1", "b:1", "c:1"};
  std::vector<std::string> four = three;
  four.push_back("d:1");
  const Rendezvous before(three), after(four);
  int num_moved = 0;
  for (int n = 0; n < 1000; ++n) {
    const std::string key = absl::StrCat("key ", n);
    const size_t old_place = before.Rank(key, 1)[0], new_place = after.Rank(key, 1)[0];
    if (old_place == new_place) continue;
    ++num_moved;
    EXPECT_EQ(new_place, 3u);
    EXPECT_EQ(after.Rank(key, 2)[1], old_place) << "the old holder is asked next";
  }
  EXPECT_GT(num_moved, 200);
  EXPECT_LT(num_moved, 300);
}

TEST(GrpcBlockStoreOptionsTest, ListsThatCannotBeAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(GrpcBlockStore::Create({}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(GrpcBlockStore::Create({.members = {"a:1", "a:1"}}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(GrpcBlockStore::Create({.members = {"a:1"}, .copies = 0}).status()));
}

}  // namespace
}  // namespace coterie
