// The form of segments: what was written is read, and nothing else is, however the file is damaged.
#include "kv_store/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "tests/kv_store/objects.h"

namespace coterie {
namespace {

constexpr SegmentHeader kHeader = {7, 0x1234567890abcdef};

std::string Record(int n, size_t size, uint64_t seed = kHeader.seed) {
  const auto payload = TestPayload(n, size);
  std::string bytes =
      WriteRecordHeader({TestName(n), size, ObjectChecksum(TestKey(n), *payload)}, seed) + *payload;
  bytes.resize(RecordBytes(size), '\0');
  return bytes;
}

struct Scanned {
  absl::StatusOr<SegmentScan> scan;
  std::map<ObjectKey, uint64_t> offsets;
};

Scanned Scan(const std::string& file) {
  Scanned scanned;
  scanned.scan = ScanSegment(
      file.size(),
      [&](uint64_t offset, std::span<char> bytes) -> absl::StatusOr<size_t> {
        if (offset >= file.size()) return 0;
        const size_t n = std::min<size_t>(bytes.size(), file.size() - offset);
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), n, bytes.begin());
        return n;
      },
      [&](const RecordHeader& record, uint64_t offset) {
        scanned.offsets[record.name.key] = offset;
        EXPECT_LE(offset + record.payload_bytes, file.size());
      });
  return scanned;
}

TEST(SegmentTest, WhatWasWrittenIsRead) {
  std::string file = WriteSegmentHeader(kHeader);
  for (int n = 0; n < 5; ++n) file += Record(n, static_cast<size_t>(n) * 300);
  const Scanned scanned = Scan(file);
  ASSERT_TRUE(scanned.scan.ok()) << scanned.scan.status();
  EXPECT_EQ(scanned.scan->header.sequence, kHeader.sequence);
  EXPECT_EQ(scanned.scan->num_records, 5u);
  EXPECT_EQ(scanned.scan->num_damaged + scanned.scan->num_torn, 0u);
  for (int n = 0; n < 5; ++n) {
    const size_t size = static_cast<size_t>(n) * 300;
    EXPECT_EQ(file.substr(scanned.offsets.at(TestKey(n)), size), *TestPayload(n, size));
  }
}

TEST(SegmentTest, HeaderCarriesTenantAndParent) {
  const RecordHeader header = {{TestKey(1), TestKey(2), std::string(kTenantBytesMax, 't')}, 3, 4};
  const std::string bytes = WriteRecordHeader(header, 5);
  const auto read = ReadRecordHeader(bytes, 5);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->name.key, TestKey(1));
  EXPECT_EQ(read->name.parent, TestKey(2));
  EXPECT_EQ(read->name.tenant, header.name.tenant);
  EXPECT_EQ(read->payload_bytes, 3u);
  EXPECT_EQ(read->checksum, 4u);
}

TEST(SegmentTest, AnyFlippedBitOfAHeaderLosesThatRecordAndNoOther) {
  const std::string front = WriteSegmentHeader(kHeader) + Record(1, 700);
  const std::string file = front + Record(2, 700) + Record(3, 700);
  for (size_t bit = 0; bit < kRecordHeaderBytes * 8; bit += 5) {
    std::string damaged = file;
    damaged[front.size() + bit / 8] ^= static_cast<char>(1 << (bit % 8));
    const Scanned scanned = Scan(damaged);
    ASSERT_TRUE(scanned.scan.ok());
    EXPECT_EQ(scanned.offsets.size(), 2u) << bit;
    EXPECT_FALSE(scanned.offsets.contains(TestKey(2))) << bit;
    EXPECT_EQ(scanned.scan->num_damaged, 1u) << bit;
  }
}

TEST(SegmentTest, ATornEndIsLeftOut) {
  const std::string front = WriteSegmentHeader(kHeader) + Record(1, 700);
  const std::string file = front + Record(2, 700);
  for (size_t size = front.size() + 1; size < front.size() + kRecordHeaderBytes + 700; size += 7) {
    const Scanned scanned = Scan(file.substr(0, size));
    ASSERT_TRUE(scanned.scan.ok());
    EXPECT_EQ(scanned.offsets.size(), 1u) << size;
    EXPECT_EQ(scanned.scan->num_torn, 1u) << size;
  }
}

TEST(SegmentTest, APayloadThatLooksLikeARecordIsNone) {
  // What a client can write: a record as sound as it can make it, in the payload of another whose
  // header is then damaged.
  std::string forged = std::string(kRecordAlign - kRecordHeaderBytes, '\0') + Record(9, 100, 0);
  std::string bytes =
      WriteRecordHeader({TestName(1), forged.size(), ObjectChecksum(TestKey(1), forged)},
                        kHeader.seed) +
      forged;
  bytes.resize(RecordBytes(forged.size()), '\0');
  bytes[9] ^= 1;
  const Scanned scanned = Scan(WriteSegmentHeader(kHeader) + bytes + Record(2, 10));
  ASSERT_TRUE(scanned.scan.ok());
  EXPECT_EQ(scanned.offsets.size(), 1u);
  EXPECT_TRUE(scanned.offsets.contains(TestKey(2)));
}

TEST(SegmentTest, LengthsBeyondTheFileOrAnyObjectAreRefused) {
  for (const uint64_t bytes : {uint64_t{1} << 20, uint64_t{kObjectBytesMax} + 1, UINT64_MAX,
                               UINT64_MAX - kRecordHeaderBytes}) {
    std::string record = WriteRecordHeader({TestName(1), bytes, 0}, kHeader.seed);
    record.resize(kRecordAlign, '\0');
    const Scanned scanned = Scan(WriteSegmentHeader(kHeader) + record + Record(2, 10));
    ASSERT_TRUE(scanned.scan.ok());
    EXPECT_EQ(scanned.offsets.size(), 1u) << bytes;
    EXPECT_EQ(scanned.scan->num_damaged + scanned.scan->num_torn, 1u) << bytes;
  }
}

TEST(SegmentTest, FilesThatAreNoSegmentsAreRefused) {
  const std::string good = WriteSegmentHeader(kHeader);
  EXPECT_TRUE(absl::IsDataLoss(Scan("").scan.status()));
  EXPECT_TRUE(absl::IsDataLoss(Scan(good.substr(1)).scan.status()));
  EXPECT_TRUE(absl::IsDataLoss(Scan(std::string(10000, '\0')).scan.status()));
  for (size_t at = 0; at < good.size(); at += 3) {
    std::string damaged = good;
    damaged[at] ^= 0x40;
    EXPECT_FALSE(Scan(damaged).scan.ok()) << at;
  }
}

}  // namespace
}  // namespace coterie
