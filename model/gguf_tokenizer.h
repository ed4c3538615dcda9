// GGUF metadata → the plain values that a vocabulary is made of.
#ifndef COTERIE_MODEL_GGUF_TOKENIZER_H_
#define COTERIE_MODEL_GGUF_TOKENIZER_H_

#include "absl/status/statusor.h"
#include "model/gguf.h"
#include "model/vocabulary.h"

namespace coterie {

// InvalidArgument names the key that is missing or of another type.
absl::StatusOr<GgufTokenizer> ReadGgufTokenizer(const GgufFile& file);

}  // namespace coterie

#endif  // COTERIE_MODEL_GGUF_TOKENIZER_H_
