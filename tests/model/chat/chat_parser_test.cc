// Goal: the parser reads what models say, well-formed or not. Method: a table of outputs, each with
// what is to come of it; chat_parser_property_test.cc has the thousands that nobody thought of.
#include "model/chat_parser.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/model/chat/chat_tokenizers.h"

namespace coterie {
namespace {

class ChatParserTest : public ::testing::Test {
 protected:
  std::vector<int32_t> Ids(const std::string& text, ControlTokens control = ControlTokens::kParse) {
    return *tokenizer_->Encode(text, control);
  }

  // "reasoning|content|call{json} …|!broken …|end".
  std::string Show(const std::vector<int32_t>& ids, bool in_channel, const std::string& stop) {
    std::optional<int32_t> stop_token;
    if (!stop.empty()) stop_token = *tokenizer_->TokenId(stop);
    const ChatOutput output = *ParseChatOutput(*tokenizer_, tokens_, ids, in_channel, stop_token);
    std::vector<std::string> calls;
    for (const auto& call : output.calls) calls.push_back(call.name + call.arguments);
    for (const auto& call : output.broken_calls) calls.push_back("!" + call);
    static constexpr const char* kEnds[] = {"cut", "turn", "calls"};
    return absl::StrCat(output.reasoning, "|", output.content, "|", absl::StrJoin(calls, " "), "|",
                        kEnds[static_cast<int>(output.end)]);
  }

  std::string Show(const std::string& text, bool in_channel = false, const std::string& stop = "") {
    return Show(Ids(text), in_channel, stop);
  }

  const std::unique_ptr<const Tokenizer> tokenizer_ = ReadTokenizer("tiny");
  const ChatTokens tokens_ = *ChatTokens::Create(*tokenizer_);
};

TEST_F(ChatParserTest, ReasoningAndContent) {
  const struct {
    const char* name;
    std::string output;
    bool in_channel;
    std::string expected;
  } cases[] = {
      {"nothing", "", false, "||"},
      {"an answer", "Hello\n", false, "|Hello\n|"},
      {"a thought, then an answer", "<|channel>thought\nHm.\n<channel|>Hi", false, "Hm.|Hi|"},
      {"one newline of two is the thought's", "<|channel>thought\nHm.\n\n<channel|>", false,
       "Hm.\n||"},
      {"no newline before the end", "<|channel>thought\nHm.<channel|>Hi", false, "Hm.|Hi|"},
      {"an empty channel", "<|channel>thought\n<channel|>Hi", false, "|Hi|"},
      {"repeated empty channels",
       "<|channel>thought\n<channel|><|channel>thought\n<channel|>Hi<|channel><channel|>!", false,
       "|Hi!|"},
      {"a header without its newline", "<|channel>thought<channel|>Hi", false, "|Hi|"},
      {"the beginning of a header", "<|channel>tho<channel|>Hi", false, "tho|Hi|"},
      {"another header", "<|channel>analysis\nHm.<channel|>Hi", false, "analysis\nHm.|Hi|"},
      {"a header alone is cut off", "<|channel>thoug", false, "||"},
      {"a thought that says thought", "<|channel>thought\nthought\nx<channel|>", false,
       "thought\nx||"},
      {"an open channel", "<|channel>thought\nHm.\n", false, "Hm.\n||"},
      {"stray ends", "Hi<channel|> there<channel|>", false, "|Hi there|"},
      {"two channels", "<|channel>thought\na\n<channel|>x<|channel>thought\nb<channel|>y", false,
       "a\nb|xy|"},
      {"a channel in a channel", "<|channel>thought\na<|channel>thought\nb<channel|>y", false,
       "a\nb|y|"},
      {"starts in a channel", "Hm.\n<channel|>Hi", true, "Hm.|Hi|"},
      {"starts in a channel and opens it again", "<|channel>thought\nHm.<channel|>Hi", true,
       "Hm.|Hi|"},
      {"starts in a channel that ends at once", "<channel|>Hi", true, "|Hi|"},
      {"other control tokens leave no trace", "<pad>a<|think|>b<|\"|>c<eos><|turn>d<tool_call|>e",
       false, "|abcde|"},
      {"and none in a thought", "a<|\"|>b<unk><turn|>c<channel|>d", true, "abc|d|"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(Show(c.output, c.in_channel), c.expected + "|cut") << c.name;
}

TEST_F(ChatParserTest, Calls) {
  const struct {
    const char* name;
    std::string arguments, json;
  } cases[] = {
      {"none", "{}", "{}"},
      {"a string", R"({city:<|"|>Oslo<|"|>})", R"({"city":"Oslo"})"},
      {"an empty string", R"({a:<|"|><|"|>})", R"({"a":""})"},
      {"strings hide the grammar", R"({a:<|"|>},b:[{"\<|"|>})", R"({"a":"},b:[{\"\\"})"},
      {"what JSON escapes", "{a:<|\"|>\n\t\r\x01/<|\"|>}", R"({"a":"\n\t\r\u0001/"})"},
      {"other alphabets", R"({ключ:<|"|>日🦙<|"|>})", R"({"ключ":"日🦙"})"},
      {"bare words", "{a:1,b:-2.5,c:1e+20,d:1e-05,e:true,f:false,g:null,h:0}",
       R"({"a":1,"b":-2.5,"c":1e+20,"d":1e-05,"e":true,"f":false,"g":null,"h":0})"},
      {"words that are no JSON are strings",
       "{a:Oslo,b:12:30,c:007,d:.5,e:5.,f:+1,g:1e999,h:True,i:-,j:1e}",
       R"({"a":"Oslo","b":"12:30","c":"007","d":".5","e":"5.","f":"+1","g":"1e999","h":"True",)"
       R"("i":"-","j":"1e"})"},
      {"digits beyond 64 bits stay", "{a:123456789012345678901234567890}",
       R"({"a":123456789012345678901234567890})"},
      {"nested", R"({o:{p:{}},l:[],m:[1,[<|"|>x<|"|>],{q:null}]})",
       R"({"o":{"p":{}},"l":[],"m":[1,["x"],{"q":null}]})"},
      {"keys are all up to the colon", "{a b,c\"]:1}", R"({"a b,c\"]":1})"},
      {"white space between", "{ a: 1 ,\n b : [ <|\"|> x <|\"|> , 2 ] , c:{ } }",
       R"({"a":1,"b":[" x ",2],"c":{}})"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Show("<|tool_call>call:f" + c.arguments + "<tool_call|>", false, "<|tool_response>"),
              "||f" + c.json + "|calls")
        << c.name;
  }
}

TEST_F(ChatParserTest, CallsAmongOtherThings) {
  const std::string f = "<|tool_call>call:f{}<tool_call|>",
                    g = "<|tool_call>call:ns.g{a:1}<tool_call|>";
  EXPECT_EQ(Show(f + g), "||f{} ns.g{\"a\":1}|cut");
  EXPECT_EQ(Show("Wait." + f, false, "<turn|>"), "|Wait.|f{}|calls");
  EXPECT_EQ(Show(f + "\n" + g + "."), "|\n.|f{} ns.g{\"a\":1}|cut");
  EXPECT_EQ(Show("<|channel>thought\nHm.\n" + f, false, "<|tool_response>"), "Hm.||f{}|calls");
  EXPECT_EQ(Show("Hm.\n" + f + "x", true), "Hm.|x|f{}|cut");
  EXPECT_EQ(Show("<|channel>thought" + f), "||f{}|cut");
  EXPECT_EQ(Show("<|channel>tho" + f), "tho||f{}|cut");
  EXPECT_EQ(Show(f + "<|channel>thought\nHm.<channel|>Hi", false, "<turn|>"), "Hm.|Hi|f{}|calls");
  EXPECT_EQ(Show(f + "<|tool_response>"), "||f{}|cut");
}

TEST_F(ChatParserTest, BrokenCalls) {
  const std::string good = "<|tool_call>call:f{}<tool_call|>";
  const std::string all[] = {
      // Heads.
      "<|tool_call><tool_call|>",
      "<|tool_call>f{}<tool_call|>",
      "<|tool_call>call:{}<tool_call|>",
      "<|tool_call>call:a b{}<tool_call|>",
      "<|tool_call>call:f<tool_call|>",
      "<|tool_call>call:f<|\"|>{}<tool_call|>",
      "<|tool_call>call:" + std::string(2000, 'x') + "{}<tool_call|>",
      // Arguments.
      "<|tool_call>call:f{a}<tool_call|>",
      "<|tool_call>call:f{a:}<tool_call|>",
      "<|tool_call>call:f{a:,b:1}<tool_call|>",
      "<|tool_call>call:f{:1}<tool_call|>",
      "<|tool_call>call:f{a:1,}<tool_call|>",
      "<|tool_call>call:f{a:[1,]}<tool_call|>",
      "<|tool_call>call:f{a:[1}<tool_call|>",
      "<|tool_call>call:f{a:1]}<tool_call|>",
      "<|tool_call>call:f{a:x{}}<tool_call|>",
      "<|tool_call>call:f{a:1,a:2}<tool_call|>",
      "<|tool_call>call:f{<|\"|>a<|\"|>:1}<tool_call|>",
      "<|tool_call>call:f{a:<|\"|>x<|\"|>y}<tool_call|>",
      "<|tool_call>call:f{a:<|\"|>x<|\"|><|\"|>y<|\"|>}<tool_call|>",
      "<|tool_call>call:f{a:x<|\"|>y<|\"|>}<tool_call|>",
      "<|tool_call>call:f{a:<|\"|>x}<tool_call|>",
      "<|tool_call>call:f{a:<|\"|>x<unk>y<|\"|>}<tool_call|>",
      "<|tool_call>call:f{a:<channel|>1}<tool_call|>",
      "<|tool_call>call:f{a:" + std::string(100000, '[') + "<tool_call|>",
      // Ends.
      "<|tool_call>call:f{}}<tool_call|>",
      "<|tool_call>call:f{} x<tool_call|>",
      "<|tool_call>call:f{}<|\"|><tool_call|>",
      "<|tool_call>call:f{}",
      "<|tool_call>call:f{a:1",
      "<|tool_call>call:f{a:<|\"|>x",
      "<|tool_call>",
  };
  for (const std::string& broken : all) {
    const bool ends = broken.size() > 12 && broken.ends_with("<tool_call|>");
    EXPECT_EQ(Show("a" + broken + (ends ? "b" : "")),
              std::string("|a") + (ends ? "b" : "") + "|!" + broken + "|cut");
    // What follows is read as if nothing had been.
    EXPECT_EQ(Show(broken + good, false, "<turn|>"), "||f{} !" + broken + "|calls");
    EXPECT_EQ(Show(broken, false, "<turn|>"), "||!" + broken + "|turn");
    EXPECT_EQ(Show(broken + "<|tool_response>x"), "|x|!" + broken + "|cut");
  }
}

TEST_F(ChatParserTest, SpelledByOrdinaryTokensControlTokensAreText) {
  const std::string spelled =
      "<|channel>thought\nx<channel|><|tool_call>call:f{}<tool_call|><turn|>";
  EXPECT_EQ(Show(Ids(spelled, ControlTokens::kPlainText), false, ""), "|" + spelled + "||cut");
  std::vector<int32_t> ids = Ids("<|tool_call>call:f{a:<|\"|>");
  for (int32_t id : Ids("x<|\"|>}<tool_call|>", ControlTokens::kPlainText)) ids.push_back(id);
  for (int32_t id : Ids("<|\"|>}<tool_call|>")) ids.push_back(id);
  EXPECT_EQ(Show(ids, false, ""), R"(||f{"a":"x<|\"|>}<tool_call|>"}|cut)");
}

TEST_F(ChatParserTest, TextHeldBackByTheDetokenizerIsInFrontOfTheControlToken) {
  ChatParser parser(tokenizer_.get(), tokens_, /*starts_in_channel=*/true);
  const auto events = parser.Append(tokens_.channel_end, "Hm\uFFFD<channel|>");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, ChatEvent::Kind::kReasoning);
  EXPECT_EQ(events[0].text, "Hm\uFFFD");
  EXPECT_EQ(parser.AppendText("x")[0].kind, ChatEvent::Kind::kContent);
}

TEST_F(ChatParserTest, EventsComeAsSoonAsTheyAreSettled) {
  ChatParser parser(tokenizer_.get(), tokens_, /*starts_in_channel=*/false);
  const auto show = [&](const std::vector<ChatEvent>& events) {
    std::vector<std::string> shown;
    shown.reserve(events.size());
    for (const ChatEvent& event : events) {
      shown.push_back(absl::StrCat(static_cast<int>(event.kind), ":", event.call, ":", event.name,
                                   ":", event.text));
    }
    return absl::StrJoin(shown, " ");
  };
  const auto control = [&](int32_t token) {
    return show(parser.Append(token, tokenizer_->vocabulary().tokens[token]));
  };
  const auto text = [&](absl::string_view piece) { return show(parser.AppendText(piece)); };
  EXPECT_EQ(text("a\n"), "1:-1::a\n");
  EXPECT_EQ(control(tokens_.call_begin), "");
  EXPECT_EQ(text("call:f"), "");
  EXPECT_EQ(text("{k"), "2:0:f: 3:0::{");
  EXPECT_EQ(text("ey:"), "3:0::\"key\":");
  EXPECT_EQ(text("1"), "");
  EXPECT_EQ(text("2,s:"), "3:0::12,\"s\":");
  EXPECT_EQ(control(tokens_.quote), "3:0::\"");
  EXPECT_EQ(text("Os\""), "3:0::Os\\\"");
  EXPECT_EQ(control(tokens_.quote), "3:0::\"");
  EXPECT_EQ(text("}"), "3:0::}");
  EXPECT_EQ(control(tokens_.call_end), "4:0::");
  EXPECT_EQ(control(tokens_.call_begin), "");
  EXPECT_EQ(text("call:g{x"), "2:1:g: 3:1::{");
  EXPECT_EQ(show(parser.Finish(std::nullopt)), "5:1::<|tool_call>call:g{x");
  EXPECT_EQ(parser.end(), ChatEnd::kCut);
}

TEST_F(ChatParserTest, TokensOfNoVocabularyAreRefusedByTheWholeAndTextToTheParser) {
  EXPECT_EQ(
      ParseChatOutput(*tokenizer_, tokens_, std::vector<int32_t>{-1}, false, {}).status().code(),
      absl::StatusCode::kInvalidArgument);
  ChatParser parser(tokenizer_.get(), tokens_, false);
  EXPECT_EQ(parser.Append(-1, "x")[0].text, "x");
  EXPECT_EQ(parser.Append(1 << 30, "x")[0].text, "x");
}

}  // namespace
}  // namespace coterie
