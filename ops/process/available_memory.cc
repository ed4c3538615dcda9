#include "ops/process/available_memory.h"

#include <algorithm>
#include <fstream>
#include <optional>

namespace coterie {
namespace {

// The number that follows `key`, or that the file begins with when there is none.
std::optional<int64_t> ReadNumber(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  int64_t number = 0;
  if (key.empty()) return file >> number ? std::optional(number) : std::nullopt;
  while (file >> word) {
    if (word == key) return file >> number ? std::optional(number) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

int64_t AvailableMemoryBytes(const std::string& root) {
  int64_t available = 0;
  if (const auto kib = ReadNumber(root + "/proc/meminfo", "MemAvailable:")) available = *kib * 1024;
  const std::string cgroup = root + "/sys/fs/cgroup/";
  // "max" is no number: no limit.
  const auto most = ReadNumber(cgroup + "memory.max", "");
  const auto taken = ReadNumber(cgroup + "memory.current", "");
  if (most.has_value() && taken.has_value()) {
    const int64_t left = std::max<int64_t>(0, *most - *taken);
    available = available > 0 ? std::min(available, left) : left;
  }
  return available;
}

}  // namespace coterie
