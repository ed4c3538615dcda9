#include "router/kv/open_block_store.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kv_store/client/memory_block_store.h"

namespace coterie {

absl::StatusOr<std::unique_ptr<BlockStore>> OpenBlockStore(absl::string_view name) {
  if (name.empty()) return nullptr;
  absl::string_view bytes_text = name;
  int64_t bytes = 0;
  if (!absl::ConsumePrefix(&bytes_text, "memory:") || !absl::SimpleAtoi(bytes_text, &bytes) ||
      bytes < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--kv_store is memory:BYTES, such as memory:8000000000, not \"", name, "\""));
  }
  return std::make_unique<MemoryBlockStore>(static_cast<size_t>(bytes));
}

}  // namespace coterie
