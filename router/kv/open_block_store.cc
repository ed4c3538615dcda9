#include "router/kv/open_block_store.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kernels/status_macros.h"
#include "kv_store/client/grpc_block_store.h"
#include "kv_store/client/memory_block_store.h"

namespace coterie {
namespace {

bool IsAddress(absl::string_view text) {
  if (absl::StartsWith(text, "unix:")) return text.size() > 5;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  int port = 0;
  return !parts.first.empty() && absl::SimpleAtoi(parts.second, &port) && port > 0 && port < 65536;
}

absl::Status Refuse(absl::string_view name) {
  return absl::InvalidArgumentError(
      absl::StrCat("--kv_store is memory:BYTES, such as memory:8000000000, or the addresses of "
                   "kv_store processes, such as a:9100,b:9100, not \"",
                   name, "\""));
}

// What a name says; all empty: there is no store.
struct StoreName {
  int64_t memory_bytes = 0;
  std::vector<std::string> members;
};

absl::StatusOr<StoreName> Parse(absl::string_view name, int64_t copies) {
  StoreName parsed;
  if (name.empty()) return parsed;
  if (absl::string_view bytes_text = name; absl::ConsumePrefix(&bytes_text, "memory:")) {
    if (!absl::SimpleAtoi(bytes_text, &parsed.memory_bytes) || parsed.memory_bytes < 1)
      return Refuse(name);
    return parsed;
  }
  for (const absl::string_view address : absl::StrSplit(name, ',')) {
    if (!IsAddress(address)) return Refuse(name);
    parsed.members.emplace_back(address);
  }
  if (copies < 1 || copies > static_cast<int64_t>(parsed.members.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("--kv_store_copies is 1 to the number of "
                     "kv_store processes, ",
                     parsed.members.size(), ", not ", copies));
  }
  return parsed;
}

}  // namespace

absl::Status CheckBlockStoreName(absl::string_view name, int64_t copies) {
  return Parse(name, copies).status();
}

absl::StatusOr<std::unique_ptr<BlockStore>> OpenBlockStore(absl::string_view name, int64_t copies) {
  ASSIGN_OR_RETURN(StoreName parsed, Parse(name, copies));
  if (parsed.memory_bytes > 0)
    return std::make_unique<MemoryBlockStore>(static_cast<size_t>(parsed.memory_bytes));
  if (parsed.members.empty()) return nullptr;
  ASSIGN_OR_RETURN(std::unique_ptr<GrpcBlockStore> store,
                   GrpcBlockStore::Create({.members = std::move(parsed.members),
                                           .copies = static_cast<size_t>(copies)}));
  return store;
}

}  // namespace coterie
