// Schemas that are refused: what is said of them, and that hostile ones cost little.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "model/chat_json.h"
#include "router/grammar/output_constraint.h"
#include "tests/router/grammar/grammar_models.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

absl::Status Read(const ChatJson& schema) {
  return ConstrainText({ResponseFormat::Kind::kJsonSchema, schema}, SmallModel().vocabulary.get(),
                       SmallModel().stop_tokens)
      .status();
}

void ExpectRefused(const ChatJson& schema, const std::string& message) {
  const absl::Status status = Read(schema);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << schema.dump().substr(0, 200);
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(SchemaReaderTest, NamesFieldPlaceAndKeyword) {
  const ChatJson schema = ChatJson::parse(
      R"({"type":"object","properties":{"x/y":{"type":"array","items":{"not":{}}}}})");
  EXPECT_EQ(Read(schema).message(),
            "response_format.json_schema.schema: at /properties/x~1y/items: the keyword 'not' is "
            "not supported");
}

TEST(SchemaReaderTest, RefusesWhatItCannotKeep) {
  for (const char* const text :
       {R"({"not":{"type":"null"}})", R"({"if":{}})", R"({"patternProperties":{"a":{}}})",
        R"({"propertyNames":{"maxLength":2}})", R"({"uniqueItems":true})", R"({"multipleOf":3})",
        R"({"contains":{}})", R"({"minProperties":2})", R"({"dependentRequired":{"a":["b"]}})",
        R"({"unevaluatedProperties":false})", R"({"$dynamicRef":"#a"})", R"({"tpye":"object"})"}) {
    ExpectRefused(ChatJson::parse(text), "is not supported");
  }
  ExpectRefused(ChatJson::parse(R"({"type":"string","format":"iri"})"), "the format 'iri'");
  ExpectRefused(ChatJson::parse(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})"),
                "options (0 and 1) that may both match");
  for (const char* const pattern :
       {"(?=a)", "\\bx", "(a)\\1", "[z-a]", "(", "a{2,1}", "*", "\\p{L}"})
    ExpectRefused({{"type", "string"}, {"pattern", pattern}}, "`pattern`");
}

TEST(SchemaReaderTest, PassesOverWhatOnlyDescribes) {
  const ChatJson schema = ChatJson::parse(
      R"({"$schema":"x","$id":"y","title":"t","description":"d","type":"object","strict":true,
          "examples":[1],"default":{},"$comment":"c","deprecated":true,"readOnly":false,
          "properties":{"a":{"type":"array","uniqueItems":false,"items":{"type":"integer",
          "format":"int32","multipleOf":1}}},"x-order":1,"minProperties":1,"required":["a"]})");
  EXPECT_TRUE(Read(schema).ok()) << Read(schema);
}

TEST(SchemaReaderTest, RefusesWhatHasNoValues) {
  for (const char* const text :
       {"false", R"({"allOf":[{"type":"null"},{"type":"boolean"}]})",
        R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})",
        R"({"type":"string","minLength":3,"maxLength":2})", R"({"enum":[1],"type":"string"})",
        R"({"type":"string","pattern":"a^"})", R"({"type":"array","items":false,"minItems":1})"}) {
    ExpectRefused(ChatJson::parse(text), "no value satisfies it");
  }
  ExpectRefused(ChatJson::parse(R"({"type":"integer","minimum":0.5,"maximum":0.7})"), "no number");
  ExpectRefused(ChatJson::parse(R"({"type":"string","pattern":"^a$","minLength":2})"), "no text");
}

TEST(SchemaReaderTest, RefusesReferencesThatLeadNowhere) {
  for (const char* const text :
       {R"({"$ref":"#"})", R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}})",
        R"({"anyOf":[{"type":"null"},{"$ref":"#"}]})"}) {
    ExpectRefused(ChatJson::parse(text), "refers to itself");
  }
  ExpectRefused(ChatJson::parse(R"({"allOf":[{"$ref":"#"},{"type":"null"}],"type":"null"})"),
                "merged with one that contains it");
  for (const char* const ref : {"#/$defs/none", "http://a/b", "", "#a"})
    ExpectRefused({{"$ref", ref}}, "names nothing");
}

TEST(SchemaReaderTest, RefusesWhatIsNoSchema) {
  for (const char* const text :
       {"1", "null", "[]", R"("a")", R"({"type":"text"})", R"({"type":[]})", R"({"properties":1})",
        R"({"required":[1]})", R"({"enum":[]})", R"({"enum":1})", R"({"anyOf":[]})",
        R"({"minLength":-1})", R"({"minLength":"1"})", R"({"minLength":1.5})", R"({"minimum":"1"})",
        R"({"items":3})", R"({"$ref":3})", R"({"pattern":3})"}) {
    EXPECT_EQ(Read(ChatJson::parse(text)).code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

// Built here rather than read: request readers have bounds of their own, these must hold without.
TEST(SchemaReaderTest, HostileSchemasAreRefusedSoon) {
  std::vector<ChatJson> hostile;
  hostile.push_back({{"type", "string"}, {"minLength", 1000000000}});
  hostile.push_back({{"type", "array"}, {"minItems", 1000000000}});
  for (const char* const pattern : {"(a|b)*a(a|b){20}", "((((a{100}){100}){100}){100})",
                                    "(a*)*(b*)*(.{1,4000}){1,4000}", "^(.{0,4000}a.{0,4000})$"}) {
    hostile.push_back({{"type", "string"}, {"pattern", pattern}});
  }
  hostile.push_back({{"type", "string"}, {"pattern", std::string(3000, '(')}});
  ChatJson many = ChatJson::array();
  for (int i = 0; i < 100000; ++i) many.push_back(absl::StrCat("value ", i));
  hostile.push_back({{"enum", many}});
  ChatJson deep = {{"type", "null"}};
  for (int i = 0; i < 500; ++i) deep = {{"type", "array"}, {"items", std::move(deep)}};
  hostile.push_back(std::move(deep));
  // Options of options: merged, 40 × 40 × 40 × 40.
  ChatJson options = ChatJson::array(), all = ChatJson::array();
  for (int i = 0; i < 40; ++i)
    options.push_back({{"properties", {{absl::StrCat("p", i), {{"type", "null"}}}}}});
  for (int i = 0; i < 4; ++i) all.push_back({{"anyOf", options}});
  hostile.push_back({{"allOf", all}});
  // A chain of references, each in a schema of its own.
  ChatJson defs;
  for (int i = 0; i < 1000; ++i)
    defs[absl::StrCat("d", i)] = {{"type", "array"},
                                  {"items", {{"$ref", absl::StrCat("#/$defs/d", i + 1)}}},
                                  {"minItems", 1}};
  defs["d1000"] = {{"type", "null"}};
  hostile.push_back({{"$ref", "#/$defs/d0"}, {"$defs", defs}});
  for (const ChatJson& schema : hostile) {
    const absl::Time begin = absl::Now();
    const absl::Status status = Read(schema);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << schema.dump().substr(0, 100);
    // Generous: a sanitizer on a busy machine. Without, the slowest takes a fifth of a second.
    EXPECT_LT(absl::Now() - begin, absl::Seconds(20)) << schema.dump().substr(0, 100);
  }
}

}  // namespace
}  // namespace coterie
