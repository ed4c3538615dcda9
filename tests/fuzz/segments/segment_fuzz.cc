// A segment file of a stranger: a folder that was copied, damaged or forged. Recovered by a real
// tier, whose every object is then read and checked, and into which more is written. Record
// checksums are made right in a second pass, so that what follows them is reached.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kernels/check.h"
#include "kv_store/disk_tier.h"
#include "kv_store/segment.h"
#include "tests/kv_store/fault_folder.h"
#include "tests/kv_store/objects.h"

namespace coterie {
namespace {

void Recover(const std::string& file) {
  const auto disk = std::make_shared<FaultDisk>();
  disk->files["0000000000000001.kvseg"] = std::make_shared<std::string>(file);
  auto tier = DiskTier::Open({.capacity_bytes = 1 << 20, .segment_bytes = 64 << 10},
                             std::make_unique<FaultFolder>(disk), absl::UnixEpoch());
  CHECK(tier.ok()) << tier.status().ToString();
  std::vector<ObjectKey> keys;
  (*tier)->ForEach([&](const ObjectName& name, uint64_t payload_bytes) {
    CHECK_LE(payload_bytes, file.size());
    keys.push_back(name.key);
  });
  for (const ObjectKey& key : keys) {
    const auto loaded = (*tier)->Read(key);
    if (loaded.ok()) CHECK_EQ(ObjectChecksum(key, *loaded->payload), loaded->checksum);
  }
  for (int n = 0; n < 4; ++n) {
    const auto payload = TestPayload(n, 20000);
    (*tier)
        ->Append(TestName(n), *payload, ObjectChecksum(TestKey(n), *payload), absl::UnixEpoch())
        .IgnoreError();
  }
}

// The same bytes as records of a sound segment, each header with a checksum that fits.
std::string Mended(const std::string& input) {
  const SegmentHeader header = {1, 2};
  std::string file = WriteSegmentHeader(header);
  for (size_t at = 0; at < input.size(); at += kRecordAlign) {
    std::string piece = input.substr(at, kRecordAlign);
    piece.resize(kRecordAlign, '\0');
    RecordHeader record;
    record.name.key.id.bytes[0] = static_cast<uint8_t>(piece[0]);
    record.name.parent.id.bytes[0] = static_cast<uint8_t>(piece[1]);
    for (size_t i = 2; i < 10; ++i)
      record.payload_bytes = (record.payload_bytes << 8) | static_cast<uint8_t>(piece[i]);
    if (piece[10] % 2 == 0) record.payload_bytes %= 2048;
    const std::string bytes = WriteRecordHeader(record, header.seed);
    file += bytes + piece.substr(bytes.size());
  }
  return file;
}

}  // namespace
}  // namespace coterie

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  coterie::Recover(input);
  coterie::Recover(coterie::Mended(input));
  return 0;
}
