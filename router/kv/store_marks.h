// StoreMarks: what is known of a node's objects in a store. Kept beside the node, and shared with
// the jobs of KvWriter, so that a job whose node was forgotten meanwhile still has somewhere to
// report to.
#ifndef COTERIE_ROUTER_KV_STORE_MARKS_H_
#define COTERIE_ROUTER_KV_STORE_MARKS_H_

#include "absl/time/time.h"
#include "kv_store/block_id.h"
#include "router/kv/context_names.h"

namespace coterie {

// Thread rule: owned by the engine's thread.
struct StoreMarks {
  ContextNames::Name name;
  // On their way to the store, or found there; by kind.
  bool global = false, local = false, checkpoint = false;
  absl::Time offered = absl::InfinitePast();  // the global block

  bool& Of(BlockKind kind) {
    return kind == BlockKind::kGlobal ? global : kind == BlockKind::kLocal ? local : checkpoint;
  }
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_STORE_MARKS_H_
