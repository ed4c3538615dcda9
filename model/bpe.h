// Byte-pair merging of one stretch of text.
//
// Gemma's text is not split into words first, so a stretch can be a whole document. The symbols are
// a linked list and the possible merges a heap by (rank, place): a text of n characters takes at
// most 3n heap entries whatever it says. Thread-safe: const after construction.
#ifndef COTERIE_MODEL_BPE_H_
#define COTERIE_MODEL_BPE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "model/added_tokens.h"
#include "model/vocabulary.h"

namespace coterie {

// What one call did, for the test that it grows with the text and not with its square.
struct BpeWork {
  int64_t heap_entries = 0;
  int64_t merges = 0;
};

class Bpe {
 public:
  // What two neighbours become.
  struct Rule {
    int32_t rank = 0;
    int32_t merged = 0;
  };

  // Copies what it needs of `vocabulary`, which passes Validate().
  explicit Bpe(const Vocabulary& vocabulary);

  // Appends the tokens of `text` to `ids`. Requires valid UTF-8 whose spaces are ▁, at most 2^31 -
  // 1 bytes of it. With kPlainText no merge and no character makes a control token, whatever the
  // merge list says.
  void Encode(absl::string_view text, ControlTokens control, std::vector<int32_t>* ids,
              BpeWork* work = nullptr) const;

  // The rule for `left` and `right` side by side, if there is one.
  const Rule* Find(int32_t left, int32_t right, ControlTokens control) const;

 private:
  // The tokens before any merge, one for each character or byte.
  std::vector<int32_t> Characters(absl::string_view text, ControlTokens control) const;
  // Appends the byte tokens of `character`; false, and nothing is appended, when one is missing.
  bool AppendBytes(absl::string_view character, std::vector<int32_t>* ids) const;
  std::optional<int32_t> CharacterToken(absl::string_view character, ControlTokens control) const;

  absl::flat_hash_map<uint64_t, Rule> rules_;                // left << 32 | right
  absl::flat_hash_map<uint32_t, int32_t> character_tokens_;  // code point → token
  std::array<int32_t, 256> byte_tokens_;                     // -1 where the vocabulary has none
  std::vector<bool> is_control_;                             // [num_tokens]
  std::optional<int32_t> unk_id_;
  bool fuse_unknown_;
};

}  // namespace coterie

#endif  // COTERIE_MODEL_BPE_H_
