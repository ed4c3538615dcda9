#include "kv_store/segment.h"

#include <xxhash.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

constexpr absl::string_view kSegmentMagic = "coterie kv segm\n";
constexpr uint32_t kRecordMagic = 0x4352564b;  // "KVRC"
constexpr uint64_t kChecksumBytes = 8;
// What is read at once while the next record is looked for.
constexpr size_t kScanWindowBytes = size_t{64} << 10;

// Little-endian numbers and bytes, one after another.
class Writer {
 public:
  template <typename T>
  Writer& Number(T value) {
    for (size_t i = 0; i < sizeof(T); ++i)
      bytes_.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
    return *this;
  }
  Writer& Bytes(absl::string_view bytes) {
    bytes_.append(bytes.data(), bytes.size());
    return *this;
  }
  Writer& Key(const ObjectKey& key) {
    AppendKey(key, &bytes_);
    return *this;
  }
  Writer& FillTo(size_t size) {
    CHECK_LE(bytes_.size(), size);
    bytes_.resize(size, '\0');
    return *this;
  }
  const std::string& bytes() const { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const char> bytes) : bytes_(bytes) {}
  template <typename T>
  T Number() {
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes_[at_ + i])) << (8 * i);
    at_ += sizeof(T);
    return static_cast<T>(value);
  }
  absl::string_view Bytes(size_t count) {
    at_ += count;
    return {bytes_.data() + at_ - count, count};
  }

 private:
  std::span<const char> bytes_;
  size_t at_ = 0;
};

uint64_t HashOf(std::span<const char> bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace

std::string WriteSegmentHeader(const SegmentHeader& header) {
  Writer writer;
  writer.Bytes(kSegmentMagic)
      .Number(kSegmentVersion)
      .Number(static_cast<uint32_t>(kRecordAlign))
      .Number(header.sequence)
      .Number(header.seed)
      .FillTo(kSegmentHeaderBytes - kChecksumBytes);
  const uint64_t checksum = HashOf(writer.bytes(), 0);
  return writer.Number(checksum).Take();
}

absl::StatusOr<SegmentHeader> ReadSegmentHeader(std::span<const char> bytes) {
  if (bytes.size() != kSegmentHeaderBytes)
    return absl::DataLossError("shorter than the header of a segment");
  Reader reader(bytes);
  if (reader.Bytes(kSegmentMagic.size()) != kSegmentMagic)
    return absl::DataLossError("not a segment of a kv_store");
  const auto version = reader.Number<uint32_t>();
  const auto align = reader.Number<uint32_t>();
  const auto sequence = reader.Number<uint64_t>();
  const auto seed = reader.Number<uint64_t>();
  Reader end(bytes.last(kChecksumBytes));
  if (HashOf(bytes.first(bytes.size() - kChecksumBytes), 0) != end.Number<uint64_t>())
    return absl::DataLossError("the header of the segment is damaged");
  if (version != kSegmentVersion || align != kRecordAlign) {
    return absl::FailedPreconditionError(
        absl::StrCat("a segment of version ", version, ", this program reads ", kSegmentVersion));
  }
  return SegmentHeader{sequence, seed};
}

std::string WriteRecordHeader(const RecordHeader& header, uint64_t seed) {
  CHECK_LE(header.name.tenant.size(), kTenantBytesMax);
  Writer writer;
  writer.Number(kRecordMagic)
      .Number(static_cast<uint16_t>(kSegmentVersion))
      .Number(static_cast<uint16_t>(header.name.tenant.size()))
      .Number(header.payload_bytes)
      .Number(header.checksum)
      .Key(header.name.key)
      .Key(header.name.parent)
      .Bytes(header.name.tenant)
      .FillTo(kRecordHeaderBytes - kChecksumBytes);
  const uint64_t checksum = HashOf(writer.bytes(), seed);
  return writer.Number(checksum).Take();
}

std::optional<RecordHeader> ReadRecordHeader(std::span<const char> bytes, uint64_t seed) {
  if (bytes.size() != kRecordHeaderBytes) return std::nullopt;
  Reader reader(bytes);
  if (reader.Number<uint32_t>() != kRecordMagic) return std::nullopt;
  Reader end(bytes.last(kChecksumBytes));
  if (HashOf(bytes.first(bytes.size() - kChecksumBytes), seed) != end.Number<uint64_t>())
    return std::nullopt;
  if (reader.Number<uint16_t>() != kSegmentVersion) return std::nullopt;
  const size_t tenant_bytes = reader.Number<uint16_t>();
  RecordHeader header;
  header.payload_bytes = reader.Number<uint64_t>();
  header.checksum = reader.Number<uint64_t>();
  const std::optional<ObjectKey> key = ReadKey(reader.Bytes(kKeyBytes));
  const std::optional<ObjectKey> parent = ReadKey(reader.Bytes(kKeyBytes));
  if (!key || !parent || tenant_bytes > kTenantBytesMax || header.payload_bytes > kObjectBytesMax)
    return std::nullopt;
  header.name = {*key, *parent, std::string(reader.Bytes(tenant_bytes))};
  return header;
}

absl::StatusOr<SegmentScan> ScanSegment(
    uint64_t size, const ReadAt& read,
    const std::function<void(const RecordHeader& record, uint64_t offset)>& each) {
  std::vector<char> bytes(kSegmentHeaderBytes);
  SegmentScan scan;
  ASSIGN_OR_RETURN(size_t num_read, read(0, bytes));
  ASSIGN_OR_RETURN(scan.header, ReadSegmentHeader(std::span(bytes).first(num_read)));
  bytes.resize(kScanWindowBytes);
  uint64_t at = kSegmentHeaderBytes;
  uint64_t window = 0, window_end = 0;  // what of the file is in `bytes`
  bool in_gap = false;
  while (at + kRecordHeaderBytes <= size) {
    if (at < window || at + kRecordHeaderBytes > window_end) {
      // One header while all is well, more when the next one has to be looked for.
      const size_t wanted = in_gap ? bytes.size() : kRecordHeaderBytes;
      ASSIGN_OR_RETURN(num_read, read(at, std::span(bytes).first(wanted)));
      if (num_read < kRecordHeaderBytes) break;
      window = at;
      window_end = at + num_read;
    }
    const auto record = ReadRecordHeader(std::span(bytes).subspan(at - window, kRecordHeaderBytes),
                                         scan.header.seed);
    const uint64_t payload = at + kRecordHeaderBytes;
    if (record.has_value() && record->payload_bytes <= size - payload) {
      each(*record, payload);
      ++scan.num_records;
      at += RecordBytes(record->payload_bytes);
      in_gap = false;
      continue;
    }
    if (record.has_value()) {
      ++scan.num_torn;
    } else if (!in_gap) {
      ++scan.num_damaged;
    }
    in_gap = true;
    at += kRecordAlign;
  }
  if (at < size && !in_gap) ++scan.num_torn;  // less than a header
  return scan;
}

}  // namespace coterie
