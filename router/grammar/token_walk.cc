#include "router/grammar/token_walk.h"

#include <array>
#include <vector>

namespace coterie {
namespace {

void Walk(const ByteTrie& trie, int32_t state, GrammarAutomaton* automaton, TokenMask* mask) {
  // Single bytes first: with them every text can be spelled, whatever the rest costs.
  std::array<int32_t, kTrieDepthMax + 1> states;  // by depth
  states[0] = state;
  const auto nodes = trie.nodes();
  const auto num_nodes = static_cast<int32_t>(nodes.size());
  for (int32_t i = 0; i < num_nodes; i = nodes[i].end) {
    if (automaton->AfterByte(state, nodes[i].byte) == GrammarAutomaton::kDead) continue;
    for (int32_t token : trie.TokensAt(nodes[i])) mask->Set(token);
  }
  const int64_t work_max = automaton->work() + kWalkWorkMax;
  for (int32_t i = 0; i < num_nodes;) {
    const ByteTrie::Node& node = nodes[i];
    const int32_t next = automaton->AfterByte(states[node.depth - 1], node.byte);
    if (next == GrammarAutomaton::kDead) {
      i = node.end;
      continue;
    }
    states[node.depth] = next;
    for (int32_t token : trie.TokensAt(node)) mask->Set(token);
    if (automaton->work() > work_max) return;
    ++i;
  }
}

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
      for (int32_t i = 0; i < plain.ends[chars]; ++i) mask.Set(plain.by_length[i]);
      trie = &plain.rest;
    }
  }
  std::vector<int32_t> controls;
  automaton->AppendControls(state, &controls);
  for (int32_t token : controls) {
    if (token >= 0 && token < vocabulary.num_tokens()) mask.Set(token);
  }
  Walk(*trie, state, automaton, &mask);
  return mask;
}

}  // namespace coterie
