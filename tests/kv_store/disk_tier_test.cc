// Objects on disk, over restarts and whatever a disk does.
#include "kv_store/disk_tier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/kv_store/fault_folder.h"
#include "tests/kv_store/objects.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

absl::Time At(int seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

class DiskTierTest : public testing::Test {
 protected:
  // As a process that starts: whatever was not on the disk is gone.
  void Restart() {
    tier_.reset();
    auto tier = DiskTier::Open(options_, std::make_unique<FaultFolder>(disk_), At(0));
    ASSERT_TRUE(tier.ok()) << tier.status();
    tier_ = *std::move(tier);
  }
  absl::Status Append(int n, size_t size, int at = 0) {
    const auto payload = TestPayload(n, size);
    return tier_->Append(TestName(n), *payload, ObjectChecksum(TestKey(n), *payload), At(at));
  }
  // Whether object n is there; it is never another.
  bool Reads(int n, size_t size) {
    const auto loaded = tier_->Read(TestKey(n));
    EXPECT_TRUE(!loaded.ok() || *loaded->payload == *TestPayload(n, size)) << n;
    return loaded.ok();
  }
  std::string& File(size_t i) {
    auto it = disk_->files.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(i));
    return *it->second;
  }

  const std::shared_ptr<FaultDisk> disk_ = std::make_shared<FaultDisk>();
  DiskTier::Options options_ = {.capacity_bytes = 1 << 20, .segment_bytes = 64 << 10};
  std::unique_ptr<DiskTier> tier_;
};

TEST_F(DiskTierTest, WhatWasAppendedIsReadAlsoAfterARestart) {
  Restart();
  for (int n = 0; n < 100; ++n) ASSERT_TRUE(Append(n, 3000).ok());
  for (int n = 0; n < 100; ++n) EXPECT_TRUE(Reads(n, 3000));
  EXPECT_TRUE(absl::IsNotFound(tier_->Read(TestKey(100)).status()));
  Restart();
  EXPECT_EQ(tier_->num_objects(), 100u);
  EXPECT_EQ(tier_->counts().recovered, 100u);
  for (int n = 0; n < 100; ++n) EXPECT_TRUE(Reads(n, 3000));
  EXPECT_TRUE(Append(5, 3000).ok());
  EXPECT_EQ(tier_->counts().appended_bytes, 0u) << "it is here already";
  EXPECT_EQ(tier_->Describe(TestKey(5))->name.tenant, "t");
}

TEST_F(DiskTierTest, AFlippedBitIsAMissIsCountedAndHappensOnce) {
  Restart();
  ASSERT_TRUE(Append(1, 3000).ok());
  ASSERT_TRUE(Append(2, 3000).ok());
  File(0)[kSegmentHeaderBytes + kRecordHeaderBytes + 1234] ^= 0x10;
  EXPECT_TRUE(absl::IsDataLoss(tier_->Read(TestKey(1)).status()));
  EXPECT_TRUE(absl::IsNotFound(tier_->Read(TestKey(1)).status()));
  EXPECT_EQ(tier_->counts().corrupt, 1u);
  EXPECT_TRUE(Reads(2, 3000));
  EXPECT_TRUE(Append(1, 3000).ok());
  EXPECT_TRUE(Reads(1, 3000));
}

TEST_F(DiskTierTest, ATornRecordIsLeftOutAndWritingGoesOn) {
  Restart();
  for (int n = 0; n < 10; ++n) ASSERT_TRUE(Append(n, 3000).ok());
  File(0).resize(File(0).size() - 2000);
  Restart();
  EXPECT_EQ(tier_->counts().recovered, 9u);
  EXPECT_EQ(tier_->counts().recovered_gaps, 1u);
  EXPECT_FALSE(Reads(9, 3000));
  EXPECT_TRUE(Append(9, 3000).ok());
  Restart();
  for (int n = 0; n < 10; ++n) EXPECT_TRUE(Reads(n, 3000));
}

TEST_F(DiskTierTest, DamageAnywhereNeverMakesAWrongObject) {
  Restart();
  for (int n = 0; n < 30; ++n) ASSERT_TRUE(Append(n, 1500).ok());
  const std::string before = File(0);
  std::minstd_rand random(3);
  for (int round = 0; round < 300; ++round) {
    std::string& file = File(0);
    file = before;
    for (uint32_t i = 0; i <= random() % 8; ++i)
      file[random() % file.size()] ^= static_cast<char>(1 + random() % 255);
    const bool is_cut = random() % 4 == 0;  // between two records nobody can tell
    if (is_cut) file.resize(random() % file.size());
    Restart();
    int num_read = 0;
    for (int n = 0; n < 30; ++n) num_read += Reads(n, 1500) ? 1 : 0;
    const DiskTier::Counts counts = tier_->counts();
    if (num_read < 30 && !is_cut) {
      EXPECT_GT(counts.corrupt + counts.recovered_gaps + counts.refused_segments, 0u) << round;
    }
  }
}

TEST_F(DiskTierTest, OtherFilesAndOtherVersionsAreLeftAlone) {
  Restart();
  ASSERT_TRUE(Append(1, 100).ok());
  disk_->files["notes.txt"] = std::make_shared<std::string>("mine");
  disk_->files["0000000000000099.kvseg"] = std::make_shared<std::string>(5000, 'x');
  disk_->files["0000000000000098.kvseg"] = std::make_shared<std::string>(File(0));  // a copy
  Restart();
  EXPECT_EQ(tier_->counts().refused_segments, 2u);
  EXPECT_TRUE(Reads(1, 100));
  EXPECT_EQ(disk_->files.size(), 4u);
  EXPECT_EQ(*disk_->files["notes.txt"], "mine");
}

TEST_F(DiskTierTest, TheCapacityHoldsAndTheLongestUnusedGoes) {
  Restart();
  for (int n = 0; n < 1000; ++n) {
    ASSERT_TRUE(Append(n, 5000, n).ok());
    tier_->Touch(std::vector{TestKey(0)}, At(n));
    ASSERT_LE(tier_->file_bytes(), options_.capacity_bytes);
    ASSERT_LE(disk_->used(), options_.capacity_bytes);
  }
  EXPECT_TRUE(Reads(0, 5000)) << "used all the time, and so copied";
  EXPECT_TRUE(Reads(999, 5000));
  EXPECT_FALSE(Reads(1, 5000));
  EXPECT_GT(tier_->live_bytes(), options_.capacity_bytes / 2);
  EXPECT_GT(tier_->counts().evicted, 500u);
  const size_t held = tier_->num_objects();
  Restart();
  EXPECT_GE(tier_->num_objects(), held);
  EXPECT_TRUE(Reads(0, 5000));
}

TEST_F(DiskTierTest, HolesAreCompacted) {
  Restart();
  for (int n = 0; n < 150; ++n) ASSERT_TRUE(Append(n, 5000, n).ok());
  for (int n = 0; n < 150; n += 2) EXPECT_TRUE(tier_->Remove(TestKey(n)));
  for (int n = 150; n < 190; ++n) ASSERT_TRUE(Append(n, 5000, n).ok());
  EXPECT_GT(tier_->counts().compacted_bytes, 0u);
  EXPECT_EQ(tier_->counts().evicted, 0u);
  for (int n = 1; n < 150; n += 2) EXPECT_TRUE(Reads(n, 5000)) << n;
  for (int n = 150; n < 190; ++n) EXPECT_TRUE(Reads(n, 5000)) << n;
  EXPECT_LE(disk_->used(), options_.capacity_bytes);
}

TEST_F(DiskTierTest, AFullDiskIsAnErrorThatLosesNothingElseAndPasses) {
  Restart();
  for (int n = 0; n < 20; ++n) ASSERT_TRUE(Append(n, 5000).ok());
  disk_->capacity = disk_->used() + 3000;
  const absl::Status full = Append(20, 5000);
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_EQ(tier_->counts().write_errors, 1u);
  EXPECT_FALSE(Reads(20, 5000));
  disk_->capacity = UINT64_MAX;
  EXPECT_TRUE(Append(20, 5000).ok());
  EXPECT_TRUE(Reads(20, 5000));
  Restart();
  EXPECT_TRUE(Reads(20, 5000));
  EXPECT_EQ(tier_->counts().recovered_gaps, 0u);
}

TEST_F(DiskTierTest, AFullDiskGivesUpOneSegmentInAWhile) {
  Restart();
  for (int n = 0; n < 60; ++n) ASSERT_TRUE(Append(n, 5000).ok());
  const size_t num_files = disk_->files.size();
  disk_->capacity = disk_->used();
  for (int i = 0; i < 50; ++i) Append(100 + i, 60000, 1).IgnoreError();
  EXPECT_GE(disk_->files.size() + 1, num_files);
  EXPECT_GT(tier_->num_objects(), 40u);
}

TEST_F(DiskTierTest, ADiskThatDoesNotAnswerIsAMiss) {
  Restart();
  ASSERT_TRUE(Append(1, 3000).ok());
  disk_->broken_reads = true;
  EXPECT_TRUE(absl::IsUnavailable(tier_->Read(TestKey(1)).status()));
  EXPECT_EQ(tier_->counts().read_errors, 1u);
}

TEST_F(DiskTierTest, OptionsThatCannotBeAreRefused) {
  options_.capacity_bytes = 3 * options_.segment_bytes;
  const auto tier = DiskTier::Open(options_, std::make_unique<FaultFolder>(disk_), At(0));
  EXPECT_TRUE(absl::IsInvalidArgument(tier.status()));
  options_.capacity_bytes = 1 << 20;
  Restart();
  EXPECT_TRUE(absl::IsResourceExhausted(Append(1, 65 << 10)));
}

TEST(FolderTest, ARealFolderDoesAllThisToo) {
  const std::string path = absl::StrCat(getenv("TEST_TMPDIR"), "/folder");
  const DiskTier::Options options = {.capacity_bytes = 4 << 20, .segment_bytes = 256 << 10};
  for (int life = 0; life < 3; ++life) {
    auto folder = OpenFolder(path);
    ASSERT_TRUE(folder.ok()) << folder.status();
    auto tier = DiskTier::Open(options, *std::move(folder), At(life));
    ASSERT_TRUE(tier.ok()) << tier.status();
    EXPECT_EQ((*tier)->num_objects(), static_cast<size_t>(life) * 20);
    EXPECT_THAT(std::string(OpenFolder(path).status().message()), HasSubstr("another kv_store"));
    for (int n = life * 20; n < life * 20 + 20; ++n) {
      const auto payload = TestPayload(n, 10000);
      ASSERT_TRUE(
          (*tier)
              ->Append(TestName(n), *payload, ObjectChecksum(TestKey(n), *payload), At(life))
              .ok());
    }
    for (int n = 0; n < life * 20 + 20; ++n)
      EXPECT_EQ(*(*tier)->Read(TestKey(n))->payload, *TestPayload(n, 10000));
  }
}

}  // namespace
}  // namespace coterie
