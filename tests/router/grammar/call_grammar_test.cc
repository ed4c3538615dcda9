// Tool calls. Goal: whatever is drawn, the parser of calls reads it, and the arguments satisfy the
// tool's schema; whatever the chat format writes of valid arguments can be said. And the phases
// around calls: channel, free text, the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/chat_json.h"
#include "model/chat_parser.h"
#include "router/grammar/output_constraint.h"
#include "tests/router/grammar/grammar_models.h"
#include "tests/router/grammar/grammar_walk.h"
#include "tests/router/grammar/schema_draws.h"
#include "tests/router/grammar/schema_judge.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const GrammarModel& Model() { return SmallModel(); }

ChatJson ToolOf(const std::string& name, const ChatJson& parameters, bool strict) {
  return {{"type", "function"},
          {"function", {{"name", name}, {"parameters", parameters}, {"strict", strict}}}};
}

ChatOutputRules Rules(std::vector<ChatJson> tools, ToolChoice choice) {
  ChatOutputRules rules;
  rules.tools = std::move(tools);
  rules.tool_choice = choice;
  return rules;
}

std::unique_ptr<TokenConstraint> Constrain(const ChatOutputRules& rules) {
  const auto factory =
      ConstrainChat(rules, Model().vocabulary.get(), Model().tokens, Model().stop_tokens);
  EXPECT_TRUE(factory.ok()) << factory.status();
  return factory.ok() && *factory ? (*factory)() : nullptr;
}

ChatOutput Parse(std::vector<int32_t> walked, bool starts_in_channel = false) {
  const int32_t stop = walked.back();
  walked.pop_back();
  auto output =
      ParseChatOutput(*Model().tokenizer, Model().tokens, walked, starts_in_channel, stop);
  EXPECT_TRUE(output.ok());
  return *output;
}

// Tokens of a text in which the spellings of control tokens are control tokens.
std::vector<int32_t> Tokens(absl::string_view text) {
  std::vector<int32_t> tokens;
  std::string plain;
  const auto flush = [&] {
    for (int32_t token : Model().Spell(plain, 5)) tokens.push_back(token);
    plain.clear();
  };
  while (!text.empty()) {
    const ChatTokens::Match match = Model().tokens.AtFront(text);
    if (match.token < 0) {
      plain.push_back(text.front());
      text.remove_prefix(1);
      continue;
    }
    flush();
    tokens.push_back(match.token);
    text.remove_prefix(match.spelling.size());
  }
  flush();
  return tokens;
}

bool Says(const ChatOutputRules& rules, absl::string_view text) {
  const auto constraint = Constrain(rules);
  return Follows(Model(), constraint.get(), Tokens(text));
}

// As the chat format writes arguments.
void AppendValue(const ChatJson& value, std::vector<int32_t>* tokens) {
  const auto append = [&](absl::string_view text) {
    for (int32_t token : Model().Spell(text, text.size())) tokens->push_back(token);
  };
  absl::string_view separator;
  if (value.is_string()) {
    tokens->push_back(Model().tokens.quote);
    append(value.get_ref<const std::string&>());
    tokens->push_back(Model().tokens.quote);
  } else if (value.is_structured()) {
    append(value.is_object() ? "{" : "[");
    for (const auto& [key, inner] : value.items()) {
      append(separator);
      separator = ",";
      if (value.is_object()) append(absl::StrCat(key, ":"));
      AppendValue(inner, tokens);
    }
    append(value.is_object() ? "}" : "]");
  } else {
    append(value.dump());
  }
}

ChatOutputRules TwoTools(ToolChoice choice) {
  const ChatJson city = ChatJson::parse(
      R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer",
          "minimum":1,"maximum":14}},"required":["city"]})");
  return Rules({ToolOf("weather", city, false), ToolOf("weather_now", city, false)}, choice);
}

TEST(CallGrammarTest, RandomCallsAreReadAndSatisfyTheirSchema) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const ChatJson schema = SchemaDraws(seed, /*closed=*/true).ObjectSchema();
    const ChatOutputRules rules =
        Rules({ToolOf("f", schema, true), ToolOf("g", schema, true)}, ToolChoice::kRequired);
    const auto constraint = Constrain(rules);
    std::mt19937_64 random(seed);
    const ChatOutput output = Parse(RandomWalk(Model(), constraint.get(), 80, &random));
    ASSERT_FALSE(output.calls.empty()) << "seed " << seed;
    ASSERT_THAT(output.broken_calls, ElementsAre()) << "seed " << seed << schema.dump();
    for (const auto& call : output.calls) {
      const ChatJson arguments = ChatJson::parse(call.arguments);
      EXPECT_TRUE(Satisfies(arguments, schema, schema))
          << "seed " << seed << ": " << call.arguments << "\n"
          << schema.dump();
    }
  }
}

TEST(CallGrammarTest, ValidArgumentsCanBeSaid) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SchemaDraws draws(seed, /*closed=*/true);
    const ChatJson schema = draws.ObjectSchema();
    ChatJson value = draws.Value(schema);
    if (value.dump().find("\\u0001") != std::string::npos) continue;  // no model writes it raw
    // In the order of the chat format, whatever the schema's.
    std::map<std::string, ChatJson> sorted;
    for (const auto& [key, inner] : value.items()) sorted[key] = inner;
    if (seed % 2 == 0) value = ChatJson(sorted);
    ChatOutputRules rules = Rules({ToolOf("f", schema, true)}, ToolChoice::kNamed);
    rules.tool_name = "f";
    const auto constraint = Constrain(rules);
    std::vector<int32_t> tokens = Tokens("<|tool_call>call:f");
    AppendValue(value, &tokens);
    tokens.push_back(Model().tokens.call_end);
    tokens.push_back(Model().tokens.response_begin);
    EXPECT_TRUE(Follows(Model(), constraint.get(), tokens))
        << "seed " << seed << ": " << value.dump() << "\n"
        << schema.dump();
  }
}

TEST(CallGrammarTest, AnyArgumentsAreRead) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const ChatOutputRules rules =
        Rules({ToolOf("f", {{"type", "object"}}, false)}, ToolChoice::kRequired);
    const auto constraint = Constrain(rules);
    std::mt19937_64 random(seed);
    const std::vector<int32_t> walked = RandomWalk(Model(), constraint.get(), 120, &random);
    const ChatOutput output = Parse(walked);
    EXPECT_THAT(output.broken_calls, ElementsAre()) << "seed " << seed;
  }
}

TEST(CallGrammarTest, AutoIsFreeUntilACallBegins) {
  const auto constraint = Constrain(TwoTools(ToolChoice::kAuto));
  EXPECT_FALSE(constraint->active());
  for (int32_t token : Tokens("Well, {x: <|channel>no<channel|> ")) constraint->Append(token);
  EXPECT_FALSE(constraint->active());
  constraint->Append(Model().tokens.call_begin);
  EXPECT_TRUE(constraint->active());
  EXPECT_TRUE(Follows(Model(), constraint.get(),
                      Tokens("call:weather_now{days:12,city:<|\"|>Oslo {\"x\"}\n<|\"|>}")));
  EXPECT_THAT(Allowed(Model(), constraint.get()), ElementsAre(Model().tokens.call_end));
  constraint->Append(Model().tokens.call_end);
  EXPECT_FALSE(constraint->active());
}

TEST(CallGrammarTest, ArgumentsKeepToTheSchema) {
  const ChatOutputRules rules = TwoTools(ToolChoice::kRequired);
  EXPECT_TRUE(Says(rules, "<|tool_call>call:weather{city:<|\"|>a<|\"|>,days:3}<tool_call|>"));
  EXPECT_TRUE(Says(rules, "<|tool_call>call:weather{days:3,city:<|\"|><|\"|>}<tool_call|>"));
  for (const char* const text :
       {"call", "<|tool_call>call:other", "<|tool_call>call:weather{}",
        "<|tool_call>call:weather{days:15", "<|tool_call>call:weather{city:a",
        "<|tool_call>call:weather{city:\"a\"", "<|tool_call>call:weather{city:<|\"|>a<|\"|>,city",
        "<|tool_call>call:weather{other", "<|tool_call>call:weather{city:<|\"|>a<tool_call|>",
        "<turn|>", "<eos>"}) {
    EXPECT_FALSE(Says(rules, text)) << text;
  }
}

TEST(CallGrammarTest, OneCallOrMoreThenTheEnd) {
  ChatOutputRules rules = TwoTools(ToolChoice::kRequired);
  const std::string call = "<|tool_call>call:weather{city:<|\"|>a<|\"|>}<tool_call|>";
  EXPECT_TRUE(Says(rules, call + call + "<|tool_response>"));
  EXPECT_FALSE(Says(rules, call + "a"));
  rules.parallel_tool_calls = false;
  EXPECT_TRUE(Says(rules, call + "<turn|>"));
  EXPECT_FALSE(Says(rules, call + call));
  rules = TwoTools(ToolChoice::kAuto);
  rules.parallel_tool_calls = false;
  EXPECT_TRUE(Says(rules, "a" + call + "<|tool_response>"));
  EXPECT_TRUE(Says(rules, "a" + call + "<turn|>"));
  EXPECT_FALSE(Says(rules, "a" + call + "b"));
  EXPECT_FALSE(Says(rules, "a" + call + call));
  rules.parallel_tool_calls = true;
  EXPECT_TRUE(Says(rules, "a" + call + "b" + call));
  rules = TwoTools(ToolChoice::kNone);
  EXPECT_TRUE(Says(rules, "free"));
  EXPECT_FALSE(Says(rules, "free" + call));
  rules = TwoTools(ToolChoice::kNamed);
  rules.tool_name = "weather_now";
  EXPECT_FALSE(Says(rules, call));
}

TEST(CallGrammarTest, TheChannelPassesFirst) {
  const std::string call = "<|tool_call>call:weather{city:<|\"|>a<|\"|>}<tool_call|>";
  ChatOutputRules rules = TwoTools(ToolChoice::kRequired);
  EXPECT_TRUE(Says(rules, "<|channel>name: {\"<channel|>" + call));
  EXPECT_TRUE(Says(rules, "<|channel>name" + call));  // a call ends the channel
  EXPECT_FALSE(Says(rules, "<|channel>name<turn|>"));
  EXPECT_FALSE(Says(rules, call + "<|channel>"));
  EXPECT_FALSE(Says(rules, "<|channel><channel|><|channel><channel|><|channel>"));
  rules.starts_in_channel = true;
  EXPECT_TRUE(Says(rules, "the name<channel|>" + call));
  EXPECT_TRUE(Says(rules, "the name<channel|><|channel><channel|>" + call));
  ChatOutputRules json;
  json.response_format.kind = ResponseFormat::Kind::kJsonObject;
  json.starts_in_channel = true;
  EXPECT_TRUE(Says(json, "the name<channel|>{}<turn|>"));
  EXPECT_FALSE(Says(json, "the name<|tool_call>"));
  EXPECT_FALSE(Says(json, "the name<channel|>{}<|tool_response>"));
}

TEST(CallGrammarTest, JsonOrCalls) {
  ChatOutputRules rules = TwoTools(ToolChoice::kAuto);
  rules.response_format = {ResponseFormat::Kind::kJsonSchema, {{"const", 1}}};
  const std::string call = "<|tool_call>call:weather{city:<|\"|>a<|\"|>}<tool_call|>";
  EXPECT_TRUE(Says(rules, call + call + "<|tool_response>"));
  EXPECT_TRUE(Says(rules, "1<turn|>"));
  EXPECT_FALSE(Says(rules, "2"));
  EXPECT_FALSE(Says(rules, "1" + call));
  rules.tool_choice = ToolChoice::kNone;
  EXPECT_FALSE(Says(rules, call));
  EXPECT_TRUE(Says(rules, "1<turn|>"));
}

TEST(CallGrammarTest, OnlyStrictToolsAreRefused) {
  const ChatJson odd = ChatJson::parse(R"({"type":"object","properties":{"a":{"not":{}}}})");
  ChatOutputRules rules = Rules({ToolOf("f", odd, false)}, ToolChoice::kRequired);
  EXPECT_TRUE(Says(rules, "<|tool_call>call:f{b:[1,{}]}<tool_call|>"));
  rules.tools.push_back(ToolOf("g", odd, true));
  const auto factory =
      ConstrainChat(rules, Model().vocabulary.get(), Model().tokens, Model().stop_tokens);
  EXPECT_EQ(factory.status().message(),
            "tools[1].function.parameters: at /properties/a: the keyword 'not' is not supported");
  rules.tools = {
      ToolOf("f", {{"type", "object"}, {"properties", {{"a:b", {{"type", "null"}}}}}}, true)};
  EXPECT_THAT(
      std::string(
          ConstrainChat(rules, Model().vocabulary.get(), Model().tokens, {}).status().message()),
      HasSubstr("the key 'a:b' cannot be written in a tool call"));
}

TEST(CallGrammarTest, WithoutStopTokensTheConstraintEndsWithTheGrammar) {
  const auto factory = ConstrainText({ResponseFormat::Kind::kJsonSchema, {{"const", 12}}},
                                     Model().vocabulary.get(), {});
  const auto constraint = (*factory)();
  EXPECT_TRUE(Follows(Model(), constraint.get(), Model().Spell("12", 0)));
  EXPECT_FALSE(constraint->active());
}

TEST(CallGrammarTest, ATokenThatMayNotComeEndsTheConstraint) {
  const auto constraint = Constrain(TwoTools(ToolChoice::kRequired));
  constraint->Append(Model().tokens.turn_end);
  EXPECT_FALSE(constraint->active());
}

TEST(CallGrammarTest, AVocabularyThatCannotSpellItEndsTheAnswer) {
  Vocabulary vocabulary;
  for (const char* const text : {"<pad>", "<eos>", "a", "\""}) {
    vocabulary.tokens.emplace_back(text);
    vocabulary.types.push_back(text[0] == '<' ? TokenType::kControl : TokenType::kNormal);
  }
  const GrammarVocabulary tiny(vocabulary);
  EXPECT_FALSE(tiny.spells_everything());
  const auto factory =
      ConstrainText({ResponseFormat::Kind::kJsonSchema, {{"const", "ab"}}}, &tiny, {1});
  const auto constraint = (*factory)();
  for (int32_t token : {3, 2}) constraint->Append(token);
  std::vector<float> logits(4, 0.0F);
  constraint->Apply(logits);
  EXPECT_EQ(logits[1], 0.0F);
  EXPECT_LT(logits[2], -1e30F);
}

}  // namespace
}  // namespace coterie
