// The names under which the journals of a request are kept. A tenant cannot name another's: the
// name is a hash over both.
#ifndef COTERIE_ROUTER_JOURNAL_JOURNAL_NAME_H_
#define COTERIE_ROUTER_JOURNAL_JOURNAL_NAME_H_

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kv_store/block_id.h"

namespace coterie {

struct JournalNames {
  std::string request, tokens;
};

inline JournalNames NamesOfJournals(absl::string_view tenant, absl::string_view request_id) {
  const std::array<absl::string_view, 3> fields = {"coterie request journal", tenant, request_id};
  const std::string name = RootId(fields).Hex();
  return {absl::StrCat(name, "/request"), absl::StrCat(name, "/tokens")};
}

}  // namespace coterie

#endif  // COTERIE_ROUTER_JOURNAL_JOURNAL_NAME_H_
