// ObjectGet: one reading of objects from one kv_store, from its start to its end.
#ifndef COTERIE_KV_STORE_CLIENT_OBJECT_GET_H_
#define COTERIE_KV_STORE_CLIENT_OBJECT_GET_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kv_store/block_id.h"
#include "kv_store/client/block_store.h"
#include "kv_store/client/node_calls.h"
#include "kv_store/object.h"

namespace coterie {

// What becomes of it; called on gRPC's threads.
struct ObjectGetEvents {
  // An object as it came; null: it is not there, or is damaged. In the order of the keys, and not
  // for those after the one at which the call fails.
  std::function<void(size_t index, const ObjectName& name,
                     std::shared_ptr<const std::string> bytes)>
      each;
  // Of a payload that is damaged, before `each`; null: what came was not asked for.
  std::function<void(const ObjectKey* key)> damaged;
  // Once, at the deadline at the latest; maybe before StartObjectGet returns.
  BlockStore::GetDone done;
};

// calls: outlives the call, which it can end.
void StartObjectGet(NodeCalls* calls, const std::vector<ObjectKey>& keys, absl::Time deadline,
                    ObjectGetEvents events);

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_OBJECT_GET_H_
