// The tokenizer's vocabulary as plain data: what is read from a `tokenizer.json` or from GGUF
// metadata, judged there, and constant afterwards. Encoding and decoding with it are tokenizer.h.
#ifndef COTERIE_MODEL_VOCABULARY_H_
#define COTERIE_MODEL_VOCABULARY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace coterie {

// Longest spelling that may be cut out of a text before merging. It bounds the work at each byte of
// a text; Gemma's longest (a run of 31 newlines or spaces) has 93 bytes.
inline constexpr int64_t kAddedTokenBytesMax = 256;

enum class TokenType : uint8_t {
  kNormal,
  kControl,      // structure, never text: <bos>, <|turn>, and <unk> in Gemma's files
  kUserDefined,  // ordinary text that is cut out whole before merging: newline runs, HTML tags
  kByte,         // <0xHH>, one byte of a character that has no token
};

// A token that is cut out of the text before anything is merged.
struct AddedToken {
  int32_t id = 0;
  bool special = false;     // a control token: plain text must never become it
  bool normalized = false;  // matched after spaces have become ▁, instead of before
  bool lstrip = false;      // takes the white space before it along
  bool rstrip = false;      // takes the white space after it along
};

// Tokens `left` and `right`, side by side, become `merged`. The rank is the place in
// Vocabulary::merges.
struct Merge {
  int32_t left = 0;
  int32_t right = 0;
  int32_t merged = 0;
};

struct Vocabulary {
  std::vector<std::string> tokens;       // [num_tokens] UTF-8, a space written ▁, all different
  std::vector<TokenType> types;          // [num_tokens]
  std::vector<Merge> merges;             // best first
  std::vector<AddedToken> added_tokens;  // at most one per id
  bool byte_fallback = true;             // a character without a token becomes its bytes' tokens
  bool fuse_unknown = true;              // neighbouring unknown characters become one unknown token
  std::optional<int32_t> bos_id;
  std::optional<int32_t> eos_id;
  std::optional<int32_t> unk_id;
  std::optional<int32_t> pad_id;

  int32_t num_tokens() const { return static_cast<int32_t>(tokens.size()); }

  // InvalidArgument names the first entry that breaks what is said above. The readers below have
  // called it.
  absl::Status Validate() const;
};

// Hugging Face's `tokenizer.json`, in Gemma's form: BPE with byte fallback, space → ▁ as the only
// normaliser, a pre-tokeniser that splits at spaces (there are none by then) or none at all.
// Unimplemented names the part that has another form; InvalidArgument says what is malformed. The
// post-processor, truncation and padding are not read: whoever builds the prompt puts <bos> in
// front of it.
absl::StatusOr<Vocabulary> VocabularyFromTokenizerJson(absl::string_view json);

// `tokenizer.ggml.*` of a GGUF file, as plain values.
struct GgufTokenizer {
  std::string model;                // tokenizer.ggml.model; "gemma4" is the one that carries merges
  std::vector<std::string> tokens;  // tokenizer.ggml.tokens
  std::vector<int32_t> token_types;  // tokenizer.ggml.token_type, one per token
  std::vector<std::string> merges;   // tokenizer.ggml.merges, "left right"
  std::optional<int64_t>
      bos_id;  // tokenizer.ggml.*_token_id; what is absent is found by its spelling
  std::optional<int64_t> eos_id;
  std::optional<int64_t> unk_id;
  std::optional<int64_t> pad_id;
};

// Same errors as above. Control, unknown and user-defined tokens become added tokens.
absl::StatusOr<Vocabulary> VocabularyFromGguf(const GgufTokenizer& gguf);

// The byte that a `<0xHH>` spelling stands for; nothing for any other text.
std::optional<uint8_t> ByteOfSpelling(absl::string_view token);

// True for `<|name>` and `<name|>`. Gemma 4's structure is spelled so, and llama.cpp's converter
// marks some of it as user-defined to keep it visible: the spelling, not the file's flag, decides
// that plain text may not become it.
bool IsControlSpelling(absl::string_view token);

}  // namespace coterie

#endif  // COTERIE_MODEL_VOCABULARY_H_
