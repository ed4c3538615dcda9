#include "router/grammar/token_walk.h"

#include <array>
#include <span>
#include <vector>

namespace coterie {
namespace {

class Walk {
 public:
  Walk(const ByteTrie& trie, GrammarAutomaton* automaton, TokenMask* mask)
      : trie_(trie), automaton_(*automaton), mask_(*mask) {}

  void From(int32_t state) {
    // Single bytes first: with them every text can be spelled, whatever the rest costs.
    for (int32_t i = 0; i < trie_.num_nodes(); i = trie_.node(i).end) {
      if (automaton_.AfterByte(state, trie_.node(i).byte) != GrammarAutomaton::kDead)
        SetAll(trie_.TokensAt(i));
    }
    const int64_t work_max = automaton_.work() + kWalkWorkMax;
    const int64_t states_max = automaton_.num_states() + kWalkStatesMax;
    states_[0] = state;
    for (int32_t i = 0; i < trie_.num_nodes();) {
      i = Visit(i);
      if (automaton_.work() > work_max || automaton_.num_states() > states_max) return;
    }
  }

 private:
  // Returns the node to go on with.
  int32_t Visit(int32_t i) {
    const ByteTrie::Node& node = trie_.node(i);
    const int32_t state = automaton_.AfterByte(states_[node.depth - 1], node.byte);
    if (state == GrammarAutomaton::kDead) return node.end;
    if (node.height > 0 && IsAllowedBelow(node, state)) {
      SetAll(trie_.TokensAtAndBelow(i));
      return node.end;
    }
    states_[node.depth] = state;
    SetAll(trie_.TokensAt(i));
    return i + 1;
  }

  // Inside a string, and nothing but plain text below that fits in.
  bool IsAllowedBelow(const ByteTrie::Node& node, int32_t state) const {
    if (node.plain == 0) return false;
    const GrammarAutomaton::Strings& strings = automaton_.StringsOf(state);
    return (strings.json_chars >= node.height &&
            ByteTrie::IsPlainBelow(node, ValueSyntax::kJson)) ||
           (strings.call_chars >= node.height && ByteTrie::IsPlainBelow(node, ValueSyntax::kCall));
  }

  void SetAll(std::span<const int32_t> tokens) {
    for (int32_t token : tokens) mask_.Set(token);
  }

  const ByteTrie& trie_;
  GrammarAutomaton& automaton_;
  TokenMask& mask_;
  std::array<int32_t, kTrieDepthMax + 1> states_ = {};  // by depth
};

}  // namespace

TokenMask MaskOf(const GrammarVocabulary& vocabulary, int32_t state, GrammarAutomaton* automaton) {
  TokenMask mask(vocabulary.num_tokens());
  const GrammarAutomaton::Strings strings = automaton->StringsOf(state);
  const ByteTrie* trie = &vocabulary.trie();
  for (const ValueSyntax syntax : {ValueSyntax::kJson, ValueSyntax::kCall}) {
    const bool json = syntax == ValueSyntax::kJson;
    const int64_t chars = json ? strings.json_chars : strings.call_chars;
    const PlainTokens& plain = vocabulary.plain(syntax);
    if (chars < 0) continue;
    if (chars >= plain.chars_max()) {
      // Whatever else the state may go on with, no plain token is left out.
      mask = plain.mask;
      trie = &plain.rest;
    } else if (json ? strings.only_json : strings.only_call) {
      // Most tokens are short: fewer have to be taken away than put in.
      mask = plain.mask;
      for (size_t i = plain.ends[chars]; i < plain.by_length.size(); ++i)
        mask.Clear(plain.by_length[i]);
      trie = &plain.rest;
    }
  }
  std::vector<int32_t> controls;
  automaton->AppendControls(state, &controls);
  for (int32_t token : controls) {
    if (token >= 0 && token < vocabulary.num_tokens()) mask.Set(token);
  }
  Walk(*trie, automaton, &mask).From(state);
  return mask;
}

}  // namespace coterie
