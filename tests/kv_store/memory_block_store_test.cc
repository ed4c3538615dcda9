// The store within the process: what every store promises, and what memory alone decides.
#include "kv_store/client/memory_block_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;

ObjectKey Key(int n) {
  const std::string name = absl::StrCat("object ", n);
  const std::vector<absl::string_view> fields = {name};
  return {RootId(fields), BlockKind::kGlobal, 1};
}

StoredObject Object(int n, size_t size = 100) {
  return {Key(n), std::make_shared<const std::string>(size, static_cast<char>('a' + n % 26))};
}

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

class MemoryBlockStoreTest : public testing::Test {
 protected:
  explicit MemoryBlockStoreTest(size_t capacity = 1000) : store_(capacity) {}

  std::vector<bool> Find(const std::vector<int>& objects) {
    std::promise<absl::StatusOr<std::vector<bool>>> found;
    store_.Find(Keys(objects), Soon(),
                [&](absl::StatusOr<std::vector<bool>> present) { found.set_value(present); });
    return found.get_future().get().value();
  }
  std::vector<std::shared_ptr<const std::string>> Get(const std::vector<int>& objects) {
    std::vector<std::shared_ptr<const std::string>> got(objects.size());
    std::promise<absl::Status> done;
    store_.Get(
        Keys(objects), Soon(), [&](size_t i, StoredObject object) { got[i] = object.bytes; },
        [&](const absl::Status& status) { done.set_value(status); });
    EXPECT_TRUE(done.get_future().get().ok());
    return got;
  }
  absl::StatusOr<StoredJournal> GetJournal(const std::string& id) {
    std::promise<absl::StatusOr<StoredJournal>> got;
    store_.GetJournal(id, Soon(),
                      [&](absl::StatusOr<StoredJournal> journal) { got.set_value(journal); });
    return got.get_future().get();
  }
  static std::vector<ObjectKey> Keys(const std::vector<int>& objects) {
    std::vector<ObjectKey> keys;
    keys.reserve(objects.size());
    for (const int n : objects) keys.push_back(Key(n));
    return keys;
  }

  MemoryBlockStore store_;
};

TEST_F(MemoryBlockStoreTest, WhatWasPutIsFoundAndRead) {
  EXPECT_TRUE(store_.Put({Object(1), Object(2)}, {}));
  EXPECT_THAT(Find({1, 3, 2}), ElementsAre(true, false, true));
  const auto got = Get({1, 3, 2});
  EXPECT_EQ(*got[0], *Object(1).bytes);
  EXPECT_EQ(got[1], nullptr);
  EXPECT_EQ(*got[2], *Object(2).bytes);
  EXPECT_EQ(store_.used_bytes(), 200u);
}

TEST_F(MemoryBlockStoreTest, TheFirstWriterWins) {
  store_.Put({Object(1)}, {});
  store_.Put({{Key(1), std::make_shared<const std::string>("another")}}, {});
  EXPECT_EQ(*Get({1})[0], *Object(1).bytes);
}

TEST_F(MemoryBlockStoreTest, TheLongestUnusedGoesFirstAndOfAContextItsEnd) {
  for (int n = 0; n < 10; ++n) store_.Put({Object(n)}, {});
  Find({0, 1, 2});  // one context
  store_.Put({Object(10, 700)}, {});
  EXPECT_THAT(Find({0, 1, 2, 3, 9, 10}), ElementsAre(true, true, true, false, false, true));
  store_.Put({Object(11, 50)}, {});
  EXPECT_EQ(Get({10})[0], nullptr);
}

TEST_F(MemoryBlockStoreTest, WhatIsDoneGoesFirst) {
  for (int n = 0; n < 10; ++n) store_.Put({Object(n)}, {});
  store_.Hint(Key(9), StoreHint::kDone);
  store_.Put({Object(10)}, {});
  EXPECT_THAT(Find({0, 9, 10}), ElementsAre(true, false, true));
}

TEST_F(MemoryBlockStoreTest, WhatAReaderHoldsStaysItsOwn) {
  store_.Put({Object(1)}, {});
  auto held = Get({1})[0];
  store_.Put({Object(2, 1000)}, {});
  EXPECT_THAT(Find({1, 2}), ElementsAre(true, false));
  EXPECT_EQ(*held, *Object(1).bytes);
  held = nullptr;
  store_.Put({Object(2, 1000)}, {});
  EXPECT_THAT(Find({1, 2}), ElementsAre(false, true));
}

TEST_F(MemoryBlockStoreTest, WhatIsTooLargeIsNotKept) {
  store_.Put({Object(1), Object(2, 1001)}, {});
  EXPECT_THAT(Find({1, 2}), ElementsAre(true, false));
}

TEST_F(MemoryBlockStoreTest, ACallAfterItsDeadlineSaysSo) {
  std::promise<absl::Status> done;
  store_.Put({Object(1)}, {});
  int num_each = 0;
  store_.Get(
      {Key(1), Key(2)}, absl::InfinitePast(),
      [&](size_t, StoredObject object) { num_each += object.bytes == nullptr ? 1 : 100; },
      [&](const absl::Status& status) { done.set_value(status); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(done.get_future().get()));
  EXPECT_EQ(num_each, 2);
}

TEST_F(MemoryBlockStoreTest, JournalsKeepTheirHighestVersion) {
  EXPECT_TRUE(absl::IsNotFound(GetJournal("r").status()));
  store_.PutJournal("r", 2, "two", absl::Minutes(1), nullptr);
  store_.PutJournal("r", 1, "one", absl::Minutes(1), nullptr);
  EXPECT_EQ(GetJournal("r")->version, 2u);
  EXPECT_EQ(GetJournal("r")->bytes, "two");
  store_.PutJournal("r", 3, "three", absl::Minutes(1), nullptr);
  EXPECT_EQ(GetJournal("r")->bytes, "three");
  std::vector<bool> kept;
  const auto told = [&](bool is_kept) { kept.push_back(is_kept); };
  store_.PutJournal("r", 2, "older", absl::Minutes(1), told);
  store_.PutJournal(std::string(300, 'r'), 1, "too long a name", absl::Minutes(1), told);
  EXPECT_EQ(kept, (std::vector<bool>{true, false}));
}

TEST_F(MemoryBlockStoreTest, JournalsEnd) {
  store_.PutJournal("r", 1, "one", -absl::Seconds(1), nullptr);
  EXPECT_TRUE(absl::IsNotFound(GetJournal("r").status()));
}

TEST(MemoryBlockStoreEndTest, ClosingEndsWhatIsUnderWay) {
  std::vector<absl::Status> ends;
  std::promise<void> inside, go;  // outlive the store, whose callback waits
  std::future<void> may_go = go.get_future();
  {
    MemoryBlockStore store(1000);
    store.Find({Key(1)}, Soon(), [&](const absl::StatusOr<std::vector<bool>>&) {
      inside.set_value();
      may_go.wait();
    });
    inside.get_future().wait();
    store.Find({Key(1)}, Soon(), [&](const absl::StatusOr<std::vector<bool>>& present) {
      ends.push_back(present.status());
    });
    store.GetJournal("r", Soon(), [&](const absl::StatusOr<StoredJournal>& journal) {
      ends.push_back(journal.status());
    });
    go.set_value();
  }
  ASSERT_EQ(ends.size(), 2u);
}

}  // namespace
}  // namespace coterie
