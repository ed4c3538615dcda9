#include "model/load_flags.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"

namespace coterie {

absl::StatusOr<LoadOptions> ParseLoadOptions(absl::string_view quantise) {
  LoadOptions options;
  if (quantise.empty()) return options;
  if (quantise == "q8_0") {
    options.quantise = DType::kQ8_0;
  } else if (quantise == "q4_0") {
    options.quantise = DType::kQ4_0;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("--quantise is q8_0, q4_0 or empty, not \"", quantise, "\""));
  }
  return options;
}

absl::StatusOr<int> ThreadsFromFlag(int threads) {
  if (threads < 0 || threads > 1024)
    return absl::InvalidArgumentError(absl::StrCat("--threads is 0 to 1024, not ", threads));
  if (threads > 0) return threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace coterie
