// Tenants: who may call, and whose tokens are counted together. A tenant comes from the caller's
// key, never from what the request says: it salts the prefix cache and shares out the machine.
//
// Thread-safe: const after Load.
#ifndef COTERIE_ROUTER_FRONTEND_TENANTS_H_
#define COTERIE_ROUTER_FRONTEND_TENANTS_H_

#include <map>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace coterie {

class Tenants {
 public:
  // Without keys everybody may call, and all are one tenant.
  Tenants() = default;

  // A file of lines `TENANT KEY [WEIGHT [PRIORITY]]`, `#` begins a comment; several keys may name
  // one tenant. PRIORITY is the highest that the tenant may ask for; 0 where it is missing, or one
  // tenant could take the machine from the others. InvalidArgument names the line at fault, and no
  // key.
  static absl::StatusOr<Tenants> Load(const std::string& path);
  static absl::StatusOr<Tenants> Parse(absl::string_view text);

  // Unauthenticated when there are keys and `key` is none of them.
  absl::StatusOr<std::string> TenantOf(absl::string_view key) const;
  // The same for the value of an `Authorization` header: `Bearer KEY`.
  absl::StatusOr<std::string> TenantOfAuthorization(absl::string_view value) const;

  // The highest priority that a tenant gets.
  int PriorityMaxOf(absl::string_view tenant) const;

  bool has_keys() const { return !tenants_.empty(); }
  const std::map<std::string, double>& weights() const { return weights_; }

 private:
  absl::flat_hash_map<std::string, std::string> tenants_;  // by key
  absl::flat_hash_map<std::string, int> priorities_;       // by tenant; those that are not 0
  std::map<std::string, double> weights_;                  // by tenant; those that are not 1
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_TENANTS_H_
