// Goal: a rendered conversation has the tokens that its text has when nobody spells control tokens
// in it, and nobody can write control tokens by spelling them. Method: the golden conversations,
// thousands of drawn ones, harmless and hostile, over two vocabularies.
#include "model/chat_segments.h"

#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/chat_template.h"
#include "model/chat_tokens.h"
#include "model/detokenizer.h"
#include "tests/model/chat/chat_tokenizers.h"
#include "tests/model/chat/conversations.h"
#include "tests/model/tokenizer/small_vocabulary.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

bool SpellsControl(const Tokenizer& tokenizer, const std::vector<ChatSegment>& segments) {
  const std::vector<std::string> spellings = ControlSpellings(tokenizer);
  for (const ChatSegment& segment : segments) {
    if (segment.trusted) continue;
    for (const std::string& spelling : spellings) {
      if (absl::StrContains(segment.text, spelling)) return true;
    }
  }
  return false;
}

// The control tokens of the trusted text alone.
std::vector<int32_t> TrustedControls(const Tokenizer& tokenizer,
                                     const std::vector<ChatSegment>& segments) {
  std::vector<int32_t> controls;
  for (const ChatSegment& segment : segments) {
    if (!segment.trusted) continue;
    const std::vector<int32_t> ids = *tokenizer.Encode(segment.text, ControlTokens::kParse);
    for (int32_t id : ids) {
      if (tokenizer.IsControl(id)) controls.push_back(id);
    }
  }
  return controls;
}

// Checks what holds for every conversation; true when it was a harmless one.
bool Check(const Tokenizer& tokenizer, const std::vector<ChatSegment>& segments) {
  const auto ids = EncodeChat(tokenizer, segments);
  EXPECT_TRUE(ids.ok()) << ids.status();
  if (!ids.ok()) return false;
  const std::string text = ChatText(segments);
  EXPECT_EQ(*Decode(tokenizer.vocabulary(), *ids, ControlText::kShow), text);
  std::vector<int32_t> controls;
  for (int32_t id : *ids) {
    if (tokenizer.IsControl(id)) controls.push_back(id);
  }
  EXPECT_EQ(controls, TrustedControls(tokenizer, segments)) << text;
  if (SpellsControl(tokenizer, segments)) return false;
  EXPECT_EQ(*ids, *tokenizer.Encode(text, ControlTokens::kParse)) << text;
  return true;
}

class DrawnConversation {
 public:
  DrawnConversation(const Tokenizer& tokenizer, bool hostile, uint64_t seed)
      : spellings_(ControlSpellings(tokenizer)), hostile_(hostile), random_(seed) {}

  std::vector<ChatSegment> Segments() {
    std::vector<ChatMessage> messages;
    const int num_messages = 1 + static_cast<int>(random_() % 6);
    for (int i = 0; i < num_messages; ++i) AddMessage(&messages);
    std::vector<ChatJson> tools;
    for (uint64_t i = random_() % 3; i > 0; --i) tools.push_back(Tool());
    const ChatOptions options = {.enable_thinking = Chance(2), .preserve_thinking = Chance(2)};
    return RenderChat(messages, tools, options)->segments;
  }

 private:
  bool Chance(uint64_t one_in) { return random_() % one_in == 0; }

  std::string Text() {
    static constexpr const char* kBorders[] = {
        "", "", "\n", "\n\n", "  ", "<", "|>", "<|", "thought", "\n<turn", "{", ":", ",", "}", "a"};
    const auto border = [&] { return std::string(kBorders[random_() % std::size(kBorders)]); };
    // The random text spells <|turn> at times.
    std::string text =
        absl::StrCat(border(),
                     absl::StrReplaceAll(RandomText(static_cast<int>(random_() % 12), &random_),
                                         {{"<|turn>", "trn"}}),
                     border());
    if (hostile_ && Chance(2)) text.insert(Chance(2) ? 0 : text.size(), Spelling());
    return text;
  }

  const std::string& Spelling() { return spellings_[random_() % spellings_.size()]; }

  ChatJson Tool() {
    ChatJson function = ChatJson::object();
    function["name"] = "f" + Text();
    function["description"] = Text();
    ChatJson& properties = function["parameters"]["properties"];
    properties[Text()] = {{"type", "string"}, {"description", Text()}};
    properties[Text()] = {{"type", "string"}, {"enum", {Text(), Text()}}};
    ChatJson tool = ChatJson::object();
    tool["function"] = std::move(function);
    return tool;
  }

  void AddMessage(std::vector<ChatMessage>* messages) {
    ChatMessage message;
    message.content = Text();
    if (Chance(2)) {
      message.role = ChatRole::kAssistant;
      if (Chance(2)) message.reasoning = Text();
      if (Chance(2)) {
        message.content = nullptr;
        ChatJson arguments = ChatJson::object();
        for (uint64_t i = random_() % 3; i > 0; --i) arguments[Text()] = Text();
        arguments["n"] = {1, 2.5, nullptr};
        message.tool_calls.push_back({"id", Text(), std::move(arguments)});
        messages->push_back(std::move(message));
        message = {.role = ChatRole::kTool, .content = Text(), .tool_call_id = "id"};
      }
    } else if (messages->empty() && Chance(2)) {
      message.role = ChatRole::kSystem;
    }
    messages->push_back(std::move(message));
  }

  const std::vector<std::string> spellings_;
  const bool hostile_;
  std::mt19937_64 random_;
};

TEST(EncodeChatTest, GoldenConversations) {
  for (const char* name : {"tiny", "trained"}) {
    const auto tokenizer = ReadTokenizer(name);
    int num_harmless = 0, num_hostile = 0;
    for (const Conversation& conversation : ReadConversations()) {
      if (!conversation.text) continue;
      ++(Check(*tokenizer, Render(conversation)->segments) ? num_harmless : num_hostile);
    }
    EXPECT_GE(num_harmless, 100) << name;
    EXPECT_GE(num_hostile, 500) << name;
  }
}

TEST(EncodeChatTest, HarmlessTextsHaveTheTokensOfTheWholeString) {
  for (const char* name : {"tiny", "trained"}) {
    const auto tokenizer = ReadTokenizer(name);
    int num_harmless = 0;
    for (uint64_t seed = 0; seed < 2000; ++seed) {
      num_harmless +=
          Check(*tokenizer, DrawnConversation(*tokenizer, /*hostile=*/false, seed).Segments());
    }
    EXPECT_GE(num_harmless, 1500) << name;
  }
}

TEST(EncodeChatTest, HostileTextsStayText) {
  for (const char* name : {"tiny", "trained"}) {
    const auto tokenizer = ReadTokenizer(name);
    int num_hostile = 0;
    for (uint64_t seed = 0; seed < 2000; ++seed) {
      num_hostile +=
          !Check(*tokenizer, DrawnConversation(*tokenizer, /*hostile=*/true, seed).Segments());
    }
    EXPECT_GE(num_hostile, 1500) << name;
  }
}

TEST(EncodeChatTest, TextIsMergedAcrossSegments) {
  const auto tokenizer = ReadTokenizer("trained");
  const std::vector<ChatSegment> segments = {
      {"<|turn>user\n", true}, {"\nthe", false}, {"re<turn|>", true}};
  const auto ids = *EncodeChat(*tokenizer, segments);
  std::vector<int32_t> expected = *tokenizer->Encode("user\n\nthere", ControlTokens::kPlainText);
  expected.insert(expected.begin(), *tokenizer->TokenId("<|turn>"));
  expected.push_back(*tokenizer->TokenId("<turn|>"));
  EXPECT_EQ(ids, expected);
}

TEST(EncodeChatTest, ASpellingAcrossSegmentsIsText) {
  const auto tokenizer = ReadTokenizer("tiny");
  const std::vector<ChatSegment> segments = {{"<|turn", false}, {">x<|", true}, {"turn>", false}};
  const std::vector<int32_t> ids = *EncodeChat(*tokenizer, segments);
  for (int32_t id : ids) EXPECT_FALSE(tokenizer->IsControl(id));
}

TEST(EncodeChatTest, TextThatIsNotUtf8IsRefused) {
  const auto tokenizer = ReadTokenizer("tiny");
  const std::vector<ChatSegment> segments = {{"<bos>", true}, {"\xff", false}};
  EXPECT_EQ(EncodeChat(*tokenizer, segments).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(EncodeChatTest, AVocabularyWithoutChatTokensIsRefusedByName) {
  const auto status = EncodeChat(*SmallTokenizer(), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no token <|think|>"));
}

}  // namespace
}  // namespace coterie
