// GGUF metadata → ModelConfig. Key names: llama.cpp's architecture `gemma4`.
#ifndef COTERIE_MODEL_CONFIG_GGUF_H_
#define COTERIE_MODEL_CONFIG_GGUF_H_

#include "absl/status/statusor.h"
#include "model/config.h"
#include "model/gguf.h"

namespace coterie {

// Errors as ModelConfigFromJson.
absl::StatusOr<ModelConfig> ModelConfigFromGguf(const GgufFile& file);

}  // namespace coterie

#endif  // COTERIE_MODEL_CONFIG_GGUF_H_
