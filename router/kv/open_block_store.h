// OpenBlockStore: the store that a router's --kv_store names.
#ifndef COTERIE_ROUTER_KV_OPEN_BLOCK_STORE_H_
#define COTERIE_ROUTER_KV_OPEN_BLOCK_STORE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv_store/client/block_store.h"

namespace coterie {

// "memory:BYTES": within this process, at most so many bytes. Empty: null, there is none.
// InvalidArgument: anything else.
absl::StatusOr<std::unique_ptr<BlockStore>> OpenBlockStore(absl::string_view name);

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_OPEN_BLOCK_STORE_H_
