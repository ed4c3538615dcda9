// OpenBlockStore: the store that a router's --kv_store names.
#ifndef COTERIE_ROUTER_KV_OPEN_BLOCK_STORE_H_
#define COTERIE_ROUTER_KV_OPEN_BLOCK_STORE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv_store/client/block_store.h"

namespace coterie {

// "memory:BYTES": within this process, at most so many bytes. "HOST:PORT,HOST:PORT,…" or unix:
// paths: kv_store processes, each object on `copies` of them. Empty: null, there is none.
// InvalidArgument: anything else, or more copies than there are processes.
// Starts gRPC's threads, so a process takes its signals before.
absl::StatusOr<std::unique_ptr<BlockStore>> OpenBlockStore(absl::string_view name, int64_t copies);
// InvalidArgument where OpenBlockStore would say so, two equal addresses apart.
absl::Status CheckBlockStoreName(absl::string_view name, int64_t copies);

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_OPEN_BLOCK_STORE_H_
