// ContextNames: the names under which contexts are stored. A tenant's contexts have names that no
// other can make, for the chain of hashes begins with the tenant; but a context that lies within a
// declared public prompt has the same name for all, so that it is computed and stored once. Where a
// context leaves the public prompt its names become the tenant's:
//
//   public:  H(H(root, block 0), block 1) …      for all tenants
//   then:    H(H(root of tenant and that name), block 2) …
//
// What others have stored of a public prompt is seen by everybody, as is meant; nothing is seen of
// what follows it. Without public prompts names are those of the tenant's root alone.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_KV_CONTEXT_NAMES_H_
#define COTERIE_ROUTER_KV_CONTEXT_NAMES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "kv_store/block_id.h"

namespace coterie {

class ContextNames {
 public:
  struct Name {
    BlockId id;
    bool is_root = false;
    bool is_public = false;  // all of the context, which for a root is nothing
  };

  // root_fields: all that shapes keys and values besides tokens and tenant. public_prompts: tokens
  // that conversations begin with; whole blocks of them count.
  ContextNames(std::vector<std::string> root_fields,
               const std::vector<std::vector<int32_t>>& public_prompts);

  Name Root(const std::string& tenant) const;
  // The context that goes on from `parent` with `tokens`, a block of them.
  Name Child(const std::string& tenant, const Name& parent, std::span<const int32_t> tokens) const;
  // How many of `tokens` lie within a public prompt, in whole blocks.
  int64_t NumPublic(std::span<const int32_t> tokens) const;

 private:
  BlockId RootWith(std::vector<std::string> more_fields) const;
  BlockId PublicChild(const Name& parent, std::span<const int32_t> tokens) const {
    return ChildId(parent.is_root ? public_root_ : parent.id, tokens);
  }

  const std::vector<std::string> root_fields_;
  const BlockId public_root_;
  absl::flat_hash_set<BlockId> public_;  // of whole blocks of public prompts
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_CONTEXT_NAMES_H_
