#include "router/kv/checkpoint_record.h"

#include <gtest/gtest.h>

namespace coterie {
namespace {

CheckpointRecord Record() {
  CheckpointRecord record{.first_block = 70000, .is_branch = true};
  for (uint8_t i = 0; i < 17; ++i) {
    BlockId id;
    id.bytes.fill(i);
    record.locals.push_back(id);
  }
  return record;
}

TEST(CheckpointRecordTest, ComesBackAsItWas) {
  EXPECT_EQ(DecodeCheckpointRecord(EncodeCheckpointRecord(Record())), Record());
  EXPECT_EQ(DecodeCheckpointRecord(EncodeCheckpointRecord({})), CheckpointRecord());
}

TEST(CheckpointRecordTest, EveryOtherLengthIsAMiss) {
  const std::string payload = EncodeCheckpointRecord(Record());
  for (size_t length = 0; length < payload.size(); ++length)
    EXPECT_EQ(DecodeCheckpointRecord(payload.substr(0, length)), std::nullopt) << length;
  EXPECT_EQ(DecodeCheckpointRecord(payload + "x"), std::nullopt);
  EXPECT_EQ(DecodeCheckpointRecord(payload + std::string(32, 'x')), std::nullopt);
}

TEST(CheckpointRecordTest, AnotherVersionAnUnknownFlagOrAStrangersBytesAreAMiss) {
  for (const size_t at : {0, 3, 4, 5}) {
    std::string payload = EncodeCheckpointRecord(Record());
    payload[at] = static_cast<char>(payload[at] ^ 2);
    EXPECT_EQ(DecodeCheckpointRecord(payload), std::nullopt) << at;
  }
  std::string payload = EncodeCheckpointRecord(Record());
  payload[15] = '\x7f';  // a first block that no context reaches
  EXPECT_EQ(DecodeCheckpointRecord(payload), std::nullopt);
}

}  // namespace
}  // namespace coterie
