#include "router/kv/checkpoint_record.h"

#include <algorithm>
#include <cstring>

namespace coterie {
namespace {

constexpr absl::string_view kMagic = "KVCP";
constexpr uint8_t kVersion = 1;
constexpr uint8_t kBranchFlag = 1;

// Little-endian throughout.
struct Header {
  char magic[4];
  uint8_t version;
  uint8_t flags;
  uint16_t num_blocks;
  uint64_t first_block;
};
static_assert(sizeof(Header) == 16, "the layout is that of docs/kv_payload.md");

}  // namespace

std::string EncodeCheckpointRecord(const CheckpointRecord& record) {
  Header header{.version = kVersion,
                .flags = record.is_branch ? kBranchFlag : uint8_t{0},
                .num_blocks = static_cast<uint16_t>(record.locals.size()),
                .first_block = static_cast<uint64_t>(record.first_block)};
  std::copy(kMagic.begin(), kMagic.end(), header.magic);
  std::string payload(reinterpret_cast<const char*>(&header), sizeof(header));
  for (const BlockId& id : record.locals)
    payload.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
  return payload;
}

std::optional<CheckpointRecord> DecodeCheckpointRecord(absl::string_view payload) {
  Header header;
  if (payload.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, payload.data(), sizeof(header));
  payload.remove_prefix(sizeof(header));
  BlockId id;
  if (absl::string_view(header.magic, 4) != kMagic || header.version != kVersion ||
      (header.flags & ~kBranchFlag) != 0 || payload.size() != header.num_blocks * id.bytes.size() ||
      header.first_block > static_cast<uint64_t>(INT64_MAX) / 2)
    return std::nullopt;
  CheckpointRecord record{.first_block = static_cast<int64_t>(header.first_block),
                          .is_branch = (header.flags & kBranchFlag) != 0};
  for (; !payload.empty(); payload.remove_prefix(id.bytes.size())) {
    std::memcpy(id.bytes.data(), payload.data(), id.bytes.size());
    record.locals.push_back(id);
  }
  return record;
}

}  // namespace coterie
