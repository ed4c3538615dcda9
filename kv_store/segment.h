// The form of a segment: a file of records, each an object with a header that describes it, so that
// all of an index can be made again from the files alone. docs/kv_format.md has the grammar.
//
// A reader trusts nothing: a header counts if its checksum fits, which is seeded with the segment's
// own random number, so that no payload can pass for a record. Where a header is damaged the reader
// looks for the next one, at multiples of kRecordAlign.
#ifndef COTERIE_KV_STORE_SEGMENT_H_
#define COTERIE_KV_STORE_SEGMENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv_store/object.h"

namespace coterie {

inline constexpr uint32_t kSegmentVersion = 1;
inline constexpr size_t kRecordAlign = 512;
inline constexpr size_t kSegmentHeaderBytes = kRecordAlign;
inline constexpr size_t kRecordHeaderBytes = 256;

// What an object takes in a segment, header and filling included.
constexpr uint64_t RecordBytes(uint64_t payload_bytes) {
  return (kRecordHeaderBytes + payload_bytes + kRecordAlign - 1) / kRecordAlign * kRecordAlign;
}

struct SegmentHeader {
  uint64_t sequence = 0;  // grows with every segment of a folder
  uint64_t seed = 0;      // random
};

struct RecordHeader {
  ObjectName name;
  uint64_t payload_bytes = 0;
  uint64_t checksum = 0;  // ObjectChecksum
};

std::string WriteSegmentHeader(const SegmentHeader& header);
// bytes: [kSegmentHeaderBytes]. DataLoss: not a segment, or damaged. FailedPrecondition: of another
// version.
absl::StatusOr<SegmentHeader> ReadSegmentHeader(std::span<const char> bytes);

std::string WriteRecordHeader(const RecordHeader& header, uint64_t seed);
// bytes: [kRecordHeaderBytes]. Nothing when it is not one, or is damaged, or of another version.
std::optional<RecordHeader> ReadRecordHeader(std::span<const char> bytes, uint64_t seed);

struct SegmentScan {
  SegmentHeader header;
  uint64_t num_records = 0;
  uint64_t num_damaged = 0;  // gaps between records that can be read
  uint64_t num_torn = 0;     // records whose payload ends after the file
};

// Reads up to bytes.size() at `offset`; how many there were.
using ReadAt = std::function<absl::StatusOr<size_t>(uint64_t offset, std::span<char> bytes)>;

// Calls `each` with every record whose header is sound and whose payload lies within the file's
// `size` bytes, in order; `offset`: of its payload, which is not looked at. Errors of
// ReadSegmentHeader and of `read`.
absl::StatusOr<SegmentScan> ScanSegment(
    uint64_t size, const ReadAt& read,
    const std::function<void(const RecordHeader& record, uint64_t offset)>& each);

}  // namespace coterie

#endif  // COTERIE_KV_STORE_SEGMENT_H_
