// The order of merges is that of Hugging Face `tokenizers`, including what happens to a heap entry
// that has grown old: it still counts when its two symbols would today become the token it was made
// for.
#include "model/bpe.h"

#include <algorithm>
#include <cstdio>
#include <functional>

#include "kernels/check.h"
#include "model/utf8.h"

namespace coterie {
namespace {

constexpr int32_t kNone = -1;

uint64_t PairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

// Merges the symbols of one stretch in place.
class Merger {
 public:
  Merger(const Bpe& bpe, ControlTokens control, const std::vector<int32_t>& tokens)
      : bpe_(bpe), control_(control) {
    const int32_t num_symbols = static_cast<int32_t>(tokens.size());
    symbols_.reserve(tokens.size());
    for (int32_t i = 0; i < num_symbols; ++i) {
      symbols_.push_back({tokens[i], i - 1, i + 1 < num_symbols ? i + 1 : kNone});
    }
    for (int32_t i = 0; i + 1 < num_symbols; ++i) Offer(i);
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void Run() {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const Candidate candidate = heap_.back();
      heap_.pop_back();
      if (StillHolds(candidate)) Merge(candidate);
    }
  }

  void AppendTokens(std::vector<int32_t>* ids) const {
    for (int32_t i = symbols_.empty() ? kNone : 0; i != kNone; i = symbols_[i].next)
      ids->push_back(symbols_[i].token);
  }

  const BpeWork& work() const { return work_; }

 private:
  struct Symbol {
    int32_t token;  // kNone once it is part of the symbol before it
    int32_t previous;
    int32_t next;
  };

  // Lowest rank first, then leftmost: one comparison of rank << 32 | place.
  struct Candidate {
    uint64_t order;
    int32_t merged;
    int32_t place() const { return static_cast<int32_t>(order & 0xFFFFFFFF); }
    bool operator>(const Candidate& other) const { return order > other.order; }
  };

  // Puts the merge of the symbol at `place` with the next one behind the heap, if there is a rule
  // for it.
  bool Offer(int32_t place) {
    const Symbol& left = symbols_[place];
    const Bpe::Rule* rule = bpe_.Find(left.token, symbols_[left.next].token, control_);
    if (rule == nullptr) return false;
    heap_.push_back(
        {static_cast<uint64_t>(rule->rank) << 32 | static_cast<uint32_t>(place), rule->merged});
    ++work_.heap_entries;
    return true;
  }

  void Push(int32_t place) {
    if (Offer(place)) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  bool StillHolds(const Candidate& candidate) const {
    const Symbol& left = symbols_[candidate.place()];
    if (left.token == kNone || left.next == kNone) return false;
    const Bpe::Rule* rule = bpe_.Find(left.token, symbols_[left.next].token, control_);
    return rule != nullptr && rule->merged == candidate.merged;
  }

  void Merge(const Candidate& candidate) {
    Symbol& left = symbols_[candidate.place()];
    Symbol& right = symbols_[left.next];
    left.token = candidate.merged;
    left.next = right.next;
    right.token = kNone;
    ++work_.merges;
    if (left.next != kNone) symbols_[left.next].previous = candidate.place();
    if (left.previous != kNone) Push(left.previous);
    if (left.next != kNone) Push(candidate.place());
  }

  const Bpe& bpe_;
  const ControlTokens control_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
  BpeWork work_;
};

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary)
    : unk_id_(vocabulary.unk_id), fuse_unknown_(vocabulary.fuse_unknown) {
  byte_tokens_.fill(kNone);
  for (int32_t id = 0; id < vocabulary.num_tokens(); ++id) {
    const std::string& text = vocabulary.tokens[id];
    is_control_.push_back(vocabulary.types[id] == TokenType::kControl);
    if (!text.empty() && Utf8Length(text) == text.size())
      character_tokens_.emplace(CodePoint(text), id);
    const auto byte = ByteOfSpelling(text);
    // Only the upper-case spelling encodes; <0xe2> is just a token that decodes to a byte.
    const bool upper =
        std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'f'; });
    if (vocabulary.byte_fallback && byte && upper) byte_tokens_[*byte] = id;
  }
  rules_.reserve(vocabulary.merges.size());
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const coterie::Merge& merge = vocabulary.merges[rank];
    // Of a pair that is listed twice the last one counts, as with Hugging Face.
    rules_.insert_or_assign(PairKey(merge.left, merge.right),
                            Rule{static_cast<int32_t>(rank), merge.merged});
  }
}

const Bpe::Rule* Bpe::Find(int32_t left, int32_t right, ControlTokens control) const {
  const auto found = rules_.find(PairKey(left, right));
  if (found == rules_.end()) return nullptr;
  if (control == ControlTokens::kPlainText && is_control_[found->second.merged]) return nullptr;
  return &found->second;
}

std::optional<int32_t> Bpe::CharacterToken(absl::string_view character,
                                           ControlTokens control) const {
  const auto found = character_tokens_.find(CodePoint(character));
  if (found == character_tokens_.end()) return std::nullopt;
  if (control == ControlTokens::kPlainText && is_control_[found->second]) return std::nullopt;
  return found->second;
}

bool Bpe::AppendBytes(absl::string_view character, std::vector<int32_t>* ids) const {
  const size_t num_before = ids->size();
  for (char c : character) {
    const int32_t token = byte_tokens_[static_cast<uint8_t>(c)];
    if (token == kNone) {
      ids->resize(num_before);
      return false;
    }
    ids->push_back(token);
  }
  return true;
}

std::vector<int32_t> Bpe::Characters(absl::string_view text, ControlTokens control) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size());
  bool unknown_waits = false;  // one unknown token is owed, and may take its right neighbour in
  for (size_t begin = 0, length = 0; begin < text.size(); begin += length) {
    length = Utf8Length(text.substr(begin));
    const absl::string_view character = text.substr(begin, length);
    const auto token = CharacterToken(character, control);
    // Byte tokens overtake an unknown token that waits. That is Hugging Face's order; where all 256
    // exist nothing waits.
    if (!token && AppendBytes(character, &ids)) continue;
    if (unknown_waits && (token || !fuse_unknown_)) ids.push_back(*unk_id_);
    unknown_waits = !token && unk_id_;
    if (token) ids.push_back(*token);
  }
  if (unknown_waits) ids.push_back(*unk_id_);
  return ids;
}

void Bpe::Encode(absl::string_view text, ControlTokens control, std::vector<int32_t>* ids,
                 BpeWork* work) const {
  CHECK_LT(text.size(), size_t{1} << 31);
  Merger merger(*this, control, Characters(text, control));
  merger.Run();
  merger.AppendTokens(ids);
  if (work != nullptr) *work = merger.work();
}

}  // namespace coterie
