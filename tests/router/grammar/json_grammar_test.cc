// JSON under a schema. Goal: whatever a model draws from what the masks leave, the text satisfies
// the schema; whatever satisfies the schema can be said, however it is cut into tokens.
//
// Method: schemas and values at random from fixed seeds, judged by a validator that shares nothing
// with the grammar (schema_judge.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "model/chat_json.h"
#include "router/grammar/output_constraint.h"
#include "tests/fuzz/grammar/schema_soup.h"
#include "tests/router/grammar/grammar_models.h"
#include "tests/router/grammar/grammar_walk.h"
#include "tests/router/grammar/schema_draws.h"
#include "tests/router/grammar/schema_judge.h"

namespace coterie {
namespace {

ResponseFormat FormatOf(const ChatJson& schema) {
  return {ResponseFormat::Kind::kJsonSchema, schema};
}

std::unique_ptr<TokenConstraint> Constrain(const GrammarModel& model, const ChatJson& schema) {
  const auto factory = ConstrainText(FormatOf(schema), model.vocabulary.get(), model.stop_tokens);
  EXPECT_TRUE(factory.ok()) << schema.dump() << "\n" << factory.status();
  return factory.ok() ? (*factory)() : nullptr;
}

bool Says(const GrammarModel& model, const ChatJson& schema, const std::string& text) {
  const auto constraint = Constrain(model, schema);
  if (constraint == nullptr) return false;
  std::vector<int32_t> tokens = model.Spell(text, 3);
  tokens.push_back(model.stop_tokens[0]);
  return Follows(model, constraint.get(), tokens);
}

void ExpectWalkSatisfies(const GrammarModel& model, const ChatJson& schema, uint64_t seed,
                         int steps) {
  const auto constraint = Constrain(model, schema);
  if (constraint == nullptr) return;
  std::mt19937_64 random(seed);
  const std::vector<int32_t> walked = RandomWalk(model, constraint.get(), steps, &random);
  ASSERT_FALSE(walked.empty()) << "no end: " << schema.dump();
  const std::string text = TextOf(model, walked);
  const ChatJson value = ChatJson::parse(text, nullptr, /*allow_exceptions=*/false);
  ASSERT_FALSE(value.is_discarded()) << "seed " << seed << ": " << text << "\n" << schema.dump();
  EXPECT_TRUE(Satisfies(value, schema, schema)) << "seed " << seed << ": " << text << "\n"
                                                << schema.dump();
}

TEST(JsonGrammarTest, RandomWalksSatisfyRandomSchemas) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    ExpectWalkSatisfies(SmallModel(), SchemaDraws(seed, false).Schema(), seed, 60);
  }
}

// Nine in ten are refused: contradictions, loops, values of the wrong kind.
TEST(JsonGrammarTest, WhateverIsNotRefusedIsKept) {
  std::mt19937_64 random(11);
  int num_kept = 0;
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    std::string choices;
    for (uint64_t n = 20 + random() % 100; n > 0; --n)
      choices.push_back(static_cast<char>(random() % 256));
    const ChatJson schema = SchemaSoup(choices);
    const auto factory =
        ConstrainText(FormatOf(schema), SmallModel().vocabulary.get(), SmallModel().stop_tokens);
    if (!factory.ok()) continue;
    ++num_kept;
    ExpectWalkSatisfies(SmallModel(), schema, seed, 40);
  }
  EXPECT_GT(num_kept, 200);
}

TEST(JsonGrammarTest, RandomWalksOverTheDemoModelsVocabulary) {
  for (uint64_t seed = 1000; seed < 1060; ++seed) {
    ExpectWalkSatisfies(DemoModel(), SchemaDraws(seed, false).Schema(), seed, 40);
  }
}

TEST(JsonGrammarTest, ValidValuesCanBeSaidHoweverTheyAreCut) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SchemaDraws draws(seed, false);
    const ChatJson schema = draws.Schema(), value = draws.Value(schema);
    ASSERT_TRUE(Satisfies(value, schema, schema)) << value.dump() << "\n" << schema.dump();
    const auto constraint = Constrain(SmallModel(), schema);
    std::vector<int32_t> tokens = SmallModel().Spell(value.dump(), seed);
    tokens.push_back(SmallModel().stop_tokens[seed % 2]);
    EXPECT_TRUE(Follows(SmallModel(), constraint.get(), tokens))
        << "seed " << seed << ": " << value.dump() << "\n"
        << schema.dump();
  }
}

TEST(JsonGrammarTest, AnyObjectIsSaidWithWhiteSpaceAsModelsWriteIt) {
  const auto factory = ConstrainText({ResponseFormat::Kind::kJsonObject, {}},
                                     SmallModel().vocabulary.get(), SmallModel().stop_tokens);
  ASSERT_TRUE(factory.ok());
  for (const std::string text :
       {"{}", "{\"a\": 1, \"b\": [1, 2.5e3, \"\\u00e9\\ud83d\\ude00\"]}",
        "{\n  \"a\": {\n    \"b\": null\n  },\n  \"c\": [\n    true\n  ]\n}"}) {
    const auto constraint = (*factory)();
    EXPECT_TRUE(Follows(SmallModel(), constraint.get(), SmallModel().Spell(text, 1))) << text;
    EXPECT_EQ(Allowed(SmallModel(), constraint.get()).size(), 3u) << text;
  }
  for (const std::string text : {"[1]", " {}", "{\"a\" : 1}", "{\"a\":1,}", "{\"a\":  1}",
                                 "{\"\\ud83d\"", "{\"a\":01", "{a", "{\"a\":1\n\n\n"}) {
    const auto constraint = (*factory)();
    EXPECT_FALSE(Follows(SmallModel(), constraint.get(), SmallModel().Spell(text, 0))) << text;
  }
}

TEST(JsonGrammarTest, WalksThroughAnyObjectEndAndAreJson) {
  for (uint64_t seed = 0; seed < 60; ++seed)
    ExpectWalkSatisfies(SmallModel(), {{"type", "object"}}, seed, 300);
}

TEST(JsonGrammarTest, RecursiveSchemasEndWithinTheDeepestLevel) {
  const ChatJson list = ChatJson::parse(
      R"({"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},
          "required":["next"],"additionalProperties":false})");
  const ChatJson tree = ChatJson::parse(
      R"({"$ref":"#/$defs/t","$defs":{"t":{"type":"object","properties":{"v":{"const":1},
          "c":{"type":"array","items":{"$ref":"#/$defs/t"}}},"required":["v","c"],
          "additionalProperties":false}}})");
  for (uint64_t seed = 0; seed < 20; ++seed) {
    ExpectWalkSatisfies(SmallModel(), list, seed, 500);
    ExpectWalkSatisfies(SmallModel(), tree, seed, 500);
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{\"next\":";
  EXPECT_FALSE(Says(SmallModel(), list, deep));
}

TEST(JsonGrammarTest, PropertiesComeInTheirOrder) {
  const ChatJson schema = ChatJson::parse(
      R"({"type":"object","properties":{"b":{"const":1},"a":{"const":2},"c":{"const":3}},
          "required":["a"],"additionalProperties":{"const":4}})");
  for (const std::string text : {R"({"a":2})", R"({"b":1,"a":2})", R"({"b":1,"a":2,"c":3,"z":4})",
                                 R"({"a":2,"z":4,"y":4})"}) {
    EXPECT_TRUE(Says(SmallModel(), schema, text)) << text;
  }
  for (const std::string text : {R"({})", R"({"b":1})", R"({"a":2,"b":1})", R"({"z":4,"a":2})",
                                 R"({"a":2,"a":4})", R"({"a":2,"z":4,"c":3})"}) {
    EXPECT_FALSE(Says(SmallModel(), schema, text)) << text;
  }
}

TEST(JsonGrammarTest, AllOfMergesAndOneOfTellsApart) {
  const ChatJson merged = ChatJson::parse(
      R"({"allOf":[{"$ref":"#/$defs/base"},{"properties":{"b":{"minimum":3}},"required":["b"]}],
          "$defs":{"base":{"type":"object","properties":{"a":{"type":"null"},
          "b":{"type":"integer","maximum":4}},"required":["a"]}}})");
  EXPECT_TRUE(Says(SmallModel(), merged, R"({"a":null,"b":4})"));
  EXPECT_FALSE(Says(SmallModel(), merged, R"({"a":null,"b":2})"));
  EXPECT_FALSE(Says(SmallModel(), merged, R"({"a":null})"));
  const ChatJson either = ChatJson::parse(
      R"({"oneOf":[{"$ref":"#/$defs/x"},{"$ref":"#/$defs/y"}],"$defs":{
          "x":{"type":"object","properties":{"kind":{"const":"x"},"v":{"type":"boolean"}},
               "required":["kind","v"],"additionalProperties":false},
          "y":{"type":"object","properties":{"kind":{"const":"y"},"v":{"type":"null"}},
               "required":["kind","v"],"additionalProperties":false}}})");
  EXPECT_TRUE(Says(SmallModel(), either, R"({"kind":"x","v":true})"));
  EXPECT_TRUE(Says(SmallModel(), either, R"({"kind":"y","v":null})"));
  EXPECT_FALSE(Says(SmallModel(), either, R"({"kind":"x","v":null})"));
}

TEST(JsonGrammarTest, FormatsAreMetExactly) {
  const struct {
    const char *format, *yes, *no;
  } cases[] = {{"date", "2024-12-31", "2024-13-01"},
               {"date-time", "2024-01-01T23:59:59.5Z", "2024-01-01 23:59:59Z"},
               {"time", "00:00:00+01:00", "24:00:00Z"},
               {"uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"},
               {"ipv4", "255.0.10.1", "256.0.0.1"},
               {"email", "a.b@c.de", "a..b@c.de"}};
  for (const auto& c : cases) {
    const ChatJson schema = {{"type", "string"}, {"format", c.format}};
    EXPECT_TRUE(Says(SmallModel(), schema, ChatJson(c.yes).dump())) << c.format;
    EXPECT_FALSE(Says(SmallModel(), schema, ChatJson(c.no).dump())) << c.format;
  }
}

TEST(JsonGrammarTest, NumbersKeepTheirLimits) {
  for (const char* const limits :
       {R"({"minimum":-3,"maximum":12})", R"({"exclusiveMinimum":-1,"maximum":105})",
        R"({"minimum":7})", R"({"maximum":-7})", R"({"minimum":99,"exclusiveMaximum":1001})"}) {
    ChatJson schema = ChatJson::parse(limits);
    schema["type"] = "integer";
    for (int64_t value = -120; value<1100; value += value> 20 && value < 90 ? 13 : 1) {
      EXPECT_EQ(Says(SmallModel(), schema, std::to_string(value)),
                Satisfies(ChatJson(value), schema, schema))
          << value << limits;
    }
  }
  const ChatJson real =
      ChatJson::parse(R"({"type":"number","minimum":-0.25,"exclusiveMaximum":1.5})");
  for (const char* const text : {"-0.25", "-0.2", "0", "0.0", "1.49999", "1", "-0.250"})
    EXPECT_TRUE(Says(SmallModel(), real, text)) << text;
  for (const char* const text : {"-0.251", "-0.26", "1.5", "1.50", "2", "-1", "00", "1."})
    EXPECT_FALSE(Says(SmallModel(), real, text)) << text;
}

}  // namespace
}  // namespace coterie
