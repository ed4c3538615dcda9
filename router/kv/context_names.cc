#include "router/kv/context_names.h"

#include <utility>

#include "absl/strings/string_view.h"

namespace coterie {
namespace {

// A tenant's root has one field more than the root fields, the public one two, a root behind a
// public context three: so none is another's, whatever tenants are called.
constexpr char kPublic[] = "public";

}  // namespace

ContextNames::ContextNames(std::vector<std::string> root_fields,
                           const std::vector<std::vector<int32_t>>& public_prompts)
    : root_fields_(std::move(root_fields)), public_root_(RootWith({"", kPublic})) {
  for (const std::vector<int32_t>& prompt : public_prompts) {
    Name name = {.is_root = true, .is_public = true};
    const std::span<const int32_t> tokens = prompt;
    for (size_t at = 0; at + kStoreBlockTokens <= tokens.size(); at += kStoreBlockTokens) {
      name = {.id = PublicChild(name, tokens.subspan(at, kStoreBlockTokens)), .is_public = true};
      public_.insert(name.id);
    }
  }
}

BlockId ContextNames::RootWith(std::vector<std::string> more_fields) const {
  std::vector<absl::string_view> fields(root_fields_.begin(), root_fields_.end());
  fields.insert(fields.end(), more_fields.begin(), more_fields.end());
  return RootId(fields);
}

ContextNames::Name ContextNames::Root(const std::string& tenant) const {
  return {.id = RootWith({tenant}), .is_root = true, .is_public = true};
}

ContextNames::Name ContextNames::Child(const std::string& tenant, const Name& parent,
                                       std::span<const int32_t> tokens) const {
  if (!parent.is_public || public_.empty()) return {.id = ChildId(parent.id, tokens)};
  if (const BlockId id = PublicChild(parent, tokens); public_.contains(id))
    return {.id = id, .is_public = true};
  if (parent.is_root) return {.id = ChildId(parent.id, tokens)};
  return {.id = ChildId(RootWith({tenant, kPublic, parent.id.Hex()}), tokens)};
}

int64_t ContextNames::NumPublic(std::span<const int32_t> tokens) const {
  if (public_.empty()) return 0;
  Name name = {.is_root = true, .is_public = true};
  size_t at = 0;
  for (; at + kStoreBlockTokens <= tokens.size(); at += kStoreBlockTokens) {
    name = {.id = PublicChild(name, tokens.subspan(at, kStoreBlockTokens)), .is_public = true};
    if (!public_.contains(name.id)) break;
  }
  return static_cast<int64_t>(at);
}

}  // namespace coterie
