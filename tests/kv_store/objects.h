// Objects of tests: the n-th has a name and a payload that only it has.
#ifndef COTERIE_TESTS_KV_STORE_OBJECTS_H_
#define COTERIE_TESTS_KV_STORE_OBJECTS_H_

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kv_store/block_id.h"
#include "kv_store/object.h"

namespace coterie {

inline ObjectKey TestKey(int n) {
  const std::string name = absl::StrCat("object ", n);
  const std::vector<absl::string_view> fields = {name};
  return {RootId(fields), BlockKind::kGlobal, 1};
}

// Without a parent.
inline ObjectName TestName(int n, const std::string& tenant = "t") {
  return {TestKey(n), TestKey(n), tenant};
}

inline std::shared_ptr<const std::string> TestPayload(int n, size_t size) {
  std::minstd_rand random(static_cast<uint32_t>(n) + 1);
  auto payload = std::make_shared<std::string>(size, '\0');
  for (char& c : *payload) c = static_cast<char>(random() >> 8);
  return payload;
}

}  // namespace coterie

#endif  // COTERIE_TESTS_KV_STORE_OBJECTS_H_
