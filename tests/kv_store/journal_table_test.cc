#include "kv_store/journal_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

absl::Time At(int seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

TEST(JournalTableTest, TheHighestVersionWins) {
  JournalTable table;
  EXPECT_TRUE(absl::IsNotFound(table.Get("r", At(0)).status()));
  EXPECT_TRUE(table.Put("r", {2, "two"}, At(100), At(0)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(table.Put("r", {1, "one"}, At(100), At(0))));
  EXPECT_EQ(table.Get("r", At(1))->bytes, "two");
  EXPECT_TRUE(table.Put("r", {2, "again"}, At(100), At(0)).ok());
  EXPECT_EQ(table.Get("r", At(1))->bytes, "again");
  EXPECT_TRUE(table.Put("r", {3, "three"}, At(100), At(0)).ok());
  EXPECT_EQ(table.Get("r", At(1))->version, 3u);
  EXPECT_EQ(table.size(), 1u);
}

TEST(JournalTableTest, AJournalIsKeptUntilItsEndOfTheLastPut) {
  JournalTable table;
  EXPECT_TRUE(table.Put("r", {1, "one"}, At(10), At(0)).ok());
  EXPECT_TRUE(table.Put("r", {2, "two"}, At(20), At(9)).ok());
  EXPECT_TRUE(table.Get("r", At(19)).ok());
  EXPECT_TRUE(absl::IsNotFound(table.Get("r", At(20)).status()));
  EXPECT_EQ(table.used_bytes(), 0u);
  EXPECT_TRUE(table.Put("r", {1, "anew"}, At(30), At(21)).ok()) << "its versions are forgotten too";
}

TEST(JournalTableTest, MemoryIsBoundAndTheFirstToEndGoes) {
  JournalTable table(10000);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        table.Put(absl::StrCat("r", i), {1, std::string(700, 'x')}, At(1000 - i), At(0)).ok());
    ASSERT_LE(table.used_bytes(), 10000u);
  }
  EXPECT_TRUE(table.Get("r1", At(1)).ok());
  EXPECT_FALSE(table.Get("r99", At(1)).ok());
}

TEST(JournalTableTest, WhatIsTooLongIsRefused) {
  JournalTable table;
  for (const std::string& id : {std::string(), std::string(kJournalIdBytesMax + 1, 'r')})
    EXPECT_TRUE(absl::IsInvalidArgument(table.Put(id, {1, "one"}, At(100), At(0))));
  EXPECT_TRUE(absl::IsInvalidArgument(
      table.Put("r", {1, std::string(kJournalBytesMax + 1, 'x')}, At(100), At(0))));
  EXPECT_TRUE(table.Put("r", {1, std::string(kJournalBytesMax, 'x')}, At(100), At(0)).ok());
}

}  // namespace
}  // namespace coterie
