// Masks beside brute force: in every state of random walks each token is tried alone, byte by byte.
// And what must hold at the edges: vocabularies that cannot spell a text, grammars with too many
// readings.
#include "router/grammar/token_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "model/chat_json.h"
#include "router/grammar/grammar_automaton.h"
#include "router/grammar/program_builder.h"
#include "router/grammar/schema_reader.h"
#include "router/grammar/value_compiler.h"
#include "tests/router/grammar/grammar_models.h"
#include "tests/router/grammar/schema_draws.h"

namespace coterie {
namespace {

struct Grammar {
  GrammarProgram program;
  int32_t start = -1;
};

Grammar Compile(const ChatJson& json, ValueSyntax syntax) {
  auto schema = ReadSchema(json);
  EXPECT_TRUE(schema.ok()) << json.dump() << schema.status();
  ProgramBuilder builder(SmallModel().tokens.quote);
  auto rule = ValueCompiler(&*schema, syntax, &builder).Compile();
  EXPECT_TRUE(rule.ok()) << json.dump() << rule.status();
  const int32_t end = builder.Control({SmallModel().stop_tokens[0]},
                                      builder.Add({.kind = GrammarNode::Kind::kFinished}));
  const int32_t start = builder.Call(*rule, false, end);
  return {std::move(builder.program()), start};
}

int32_t After(const GrammarVocabulary& vocabulary, int32_t state, int32_t token,
              GrammarAutomaton* automaton) {
  const absl::string_view bytes = vocabulary.Bytes(token);
  if (bytes.empty()) return automaton->AfterControl(state, token);
  for (char c : bytes) {
    if (state == GrammarAutomaton::kDead) break;
    state = automaton->AfterByte(state, static_cast<uint8_t>(c));
  }
  return state;
}

void ExpectMasksEqualBruteForce(const ChatJson& schema, ValueSyntax syntax, uint64_t seed) {
  const GrammarVocabulary& vocabulary = *SmallModel().vocabulary;
  const Grammar grammar = Compile(schema, syntax);
  GrammarAutomaton automaton(&grammar.program), alone(&grammar.program);
  std::mt19937_64 random(seed);
  int32_t state = automaton.StateAt(grammar.start), same = alone.StateAt(grammar.start);
  for (int step = 0; step < 25; ++step) {
    const TokenMask mask = MaskOf(vocabulary, state, &automaton);
    std::vector<int32_t> allowed;
    for (int32_t token = 0; token < vocabulary.num_tokens(); ++token) {
      const bool may = After(vocabulary, same, token, &alone) != GrammarAutomaton::kDead;
      ASSERT_EQ(mask.Has(token), may) << "seed " << seed << " step " << step << " token "
                                      << SmallModel().tokenizer->vocabulary().tokens[token] << "\n"
                                      << schema.dump();
      if (may) allowed.push_back(token);
    }
    if (allowed.empty()) return;  // behind the stop token
    const int32_t token = allowed[random() % allowed.size()];
    state = After(vocabulary, state, token, &automaton);
    same = After(vocabulary, same, token, &alone);
    // Forgetting what was found changes nothing.
    if (step % 5 == 4) state = automaton.Restart(state);
  }
}

TEST(TokenWalkTest, MasksEqualBruteForceInEveryState) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    ExpectMasksEqualBruteForce(SchemaDraws(seed, false).Schema(), ValueSyntax::kJson, seed);
    ExpectMasksEqualBruteForce(SchemaDraws(seed, false).ObjectSchema(), ValueSyntax::kCall, seed);
  }
}

TEST(TokenWalkTest, TooManyReadingsLeaveAWayToTheEnd) {
  // Each level doubles the ways in which the text so far can be read.
  const ChatJson schema = ChatJson::parse(
      R"({"$ref":"#/$defs/v","$defs":{"v":{"anyOf":[{"type":"null"},
          {"type":"object","properties":{"a":{"$ref":"#/$defs/v"},"b":{"type":"null"}}},
          {"type":"object","properties":{"a":{"$ref":"#/$defs/v"},"c":{"type":"null"}}}]}}})");
  const Grammar grammar = Compile(schema, ValueSyntax::kJson);
  GrammarAutomaton automaton(&grammar.program);
  const GrammarVocabulary& vocabulary = *SmallModel().vocabulary;
  int32_t state = automaton.StateAt(grammar.start);
  std::string text;
  for (int i = 0; i < 20; ++i) text += "{\"a\":";
  text += "null" + std::string(20, '}');
  for (char c : text) {
    ASSERT_FALSE(MaskOf(vocabulary, state, &automaton).empty());
    state = automaton.AfterByte(state, static_cast<uint8_t>(c));
    ASSERT_NE(state, GrammarAutomaton::kDead);
  }
  EXPECT_TRUE(MaskOf(vocabulary, state, &automaton).Has(SmallModel().stop_tokens[0]));
}

TEST(TokenWalkTest, CharactersAreCutOnlyBetweenByteTokens) {
  const Grammar grammar = Compile({{"const", "中é"}}, ValueSyntax::kJson);
  GrammarAutomaton automaton(&grammar.program);
  const GrammarVocabulary& vocabulary = *SmallModel().vocabulary;
  int32_t state = automaton.AfterByte(automaton.StateAt(grammar.start), '"');
  EXPECT_EQ(MaskOf(vocabulary, state, &automaton).num_set(), 2);  // 中 and its first byte
  state = automaton.AfterByte(state, 0xE4);
  EXPECT_EQ(MaskOf(vocabulary, state, &automaton).num_set(), 1);
}

TEST(TokenMaskTest, LowersAllOthers) {
  TokenMask mask(130);
  mask.Set(0);
  mask.Set(129);
  std::vector<float> logits(140, 2.0F);
  mask.Apply(logits);
  EXPECT_EQ(std::count(logits.begin(), logits.end(), 2.0F), 2);
  EXPECT_EQ(logits[0], 2.0F);
  EXPECT_EQ(logits[129], 2.0F);
  EXPECT_FALSE(mask.Has(130));
}

}  // namespace
}  // namespace coterie
