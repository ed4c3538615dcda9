// A small tokenizer.json in Gemma's form, as text that a test can spoil in one place.
#ifndef COTERIE_TESTS_MODEL_TOKENIZER_VOCABULARY_TOKENIZER_JSON_BUILDER_H_
#define COTERIE_TESTS_MODEL_TOKENIZER_VOCABULARY_TOKENIZER_JSON_BUILDER_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace coterie {

// The members of the file, each as JSON. Ids: 0–4 <pad> <eos> <bos> <unk> <|turn>, 5–260 bytes,
// then what `vocab` adds.
struct TokenizerJson {
  std::string added_tokens = R"([
    {"id": 0, "content": "<pad>", "special": true, "normalized": false, "lstrip": false, "rstrip": false},
    {"id": 1, "content": "<eos>", "special": true, "normalized": false},
    {"id": 2, "content": "<bos>", "special": true, "normalized": false},
    {"id": 3, "content": "<unk>", "special": true, "normalized": false},
    {"id": 4, "content": "<|turn>", "special": true, "normalized": false},
    {"id": 265, "content": "\n\n", "special": false, "normalized": false}])";
  std::string normalizer = R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})";
  std::string pre_tokenizer =
      R"({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false})";
  std::string decoder = R"({"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "ByteFallback"}, {"type": "Fuse"}]})";
  std::string model_type = R"("BPE")";
  std::string model_extra;  // more members of the model, each with a comma in front
  std::string unk_token = R"("<unk>")";
  std::string byte_fallback = "true";
  std::string vocab =
      R"("<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<|turn>": 4, "a": 261, "b": 262, "▁": 263, "ab": 264, "\n\n": 265)";
  std::string merges = R"([["a", "b"]])";

  std::string Vocab() const {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) {
      absl::StrAppend(&bytes, absl::StrFormat(R"("<0x%02X>": %d, )", byte, byte + 5));
    }
    return absl::StrCat("{", bytes, vocab, "}");
  }

  std::string Model() const {
    return absl::StrCat(R"({"type": )", model_type, R"(, "dropout": null, "unk_token": )",
                        unk_token, R"(, "fuse_unk": true, "byte_fallback": )", byte_fallback,
                        model_extra, R"(, "vocab": )", Vocab(), R"(, "merges": )", merges, "}");
  }

  std::string Text() const {
    return absl::StrCat(R"({"version": "1.0", "added_tokens": )", added_tokens,
                        R"(, "normalizer": )", normalizer, R"(, "pre_tokenizer": )", pre_tokenizer,
                        R"(, "post_processor": null, "decoder": )", decoder, R"(, "model": )",
                        Model(), "}");
  }
};

}  // namespace coterie

#endif  // COTERIE_TESTS_MODEL_TOKENIZER_VOCABULARY_TOKENIZER_JSON_BUILDER_H_
