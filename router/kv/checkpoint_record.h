// CheckpointRecord: what a store keeps of a window checkpoint beside the blocks: which local blocks
// make it up. docs/kv_payload.md has the bytes.
#ifndef COTERIE_ROUTER_KV_CHECKPOINT_RECORD_H_
#define COTERIE_ROUTER_KV_CHECKPOINT_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kv_store/block_id.h"

namespace coterie {

struct CheckpointRecord {
  int64_t first_block = 0;
  bool is_branch = false;       // contexts are known to part here
  std::vector<BlockId> locals;  // the local blocks from first_block up to the checkpoint's border

  friend bool operator==(const CheckpointRecord&, const CheckpointRecord&) = default;
};

std::string EncodeCheckpointRecord(const CheckpointRecord& record);
// Null for anything that EncodeCheckpointRecord of this version does not write.
std::optional<CheckpointRecord> DecodeCheckpointRecord(absl::string_view payload);

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_CHECKPOINT_RECORD_H_
