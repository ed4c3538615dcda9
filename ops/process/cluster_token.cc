#include "ops/process/cluster_token.h"

#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

constexpr size_t kTokenMin = 16, kTokenMax = 256;

}  // namespace

absl::StatusOr<std::string> ReadClusterToken(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError(absl::StrCat(path, " cannot be read"));
  std::string token;
  std::getline(file, token);
  const bool is_visible =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!is_visible || token.size() < kTokenMin || token.size() > kTokenMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": its first line is to be ", kTokenMin, " to ", kTokenMax,
                     " visible ASCII characters, the cluster's shared secret"));
  }
  return token;
}

}  // namespace coterie
