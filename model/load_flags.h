// What router and expert_worker read from their flags in the same way.
#ifndef COTERIE_MODEL_LOAD_FLAGS_H_
#define COTERIE_MODEL_LOAD_FLAGS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/weights.h"

namespace coterie {

// --quantise: "", "q8_0" or "q4_0". InvalidArgument otherwise.
absl::StatusOr<LoadOptions> ParseLoadOptions(absl::string_view quantise);

// --threads: 0 means one per core. InvalidArgument below 0 and above 1024.
absl::StatusOr<int> ThreadsFromFlag(int threads);

}  // namespace coterie

#endif  // COTERIE_MODEL_LOAD_FLAGS_H_
