#include "model/gguf_tokenizer.h"

#include "kernels/status_macros.h"

namespace coterie {

absl::StatusOr<GgufTokenizer> ReadGgufTokenizer(const GgufFile& file) {
  GgufTokenizer t;
  ASSIGN_OR_RETURN(t.model, file.String("tokenizer.ggml.model"));
  ASSIGN_OR_RETURN(t.tokens, file.Strings("tokenizer.ggml.tokens"));
  ASSIGN_OR_RETURN(t.merges, file.Strings("tokenizer.ggml.merges"));
  ASSIGN_OR_RETURN(const std::vector<int64_t> types, file.Ints("tokenizer.ggml.token_type"));
  t.token_types.assign(types.begin(), types.end());
  const auto id = [&](const char* key) -> std::optional<int64_t> {
    const auto value = file.Int(key);
    return value.ok() ? std::optional<int64_t>(*value) : std::nullopt;
  };
  t.bos_id = id("tokenizer.ggml.bos_token_id");
  t.eos_id = id("tokenizer.ggml.eos_token_id");
  t.unk_id = id("tokenizer.ggml.unknown_token_id");
  t.pad_id = id("tokenizer.ggml.padding_token_id");
  return t;
}

}  // namespace coterie
