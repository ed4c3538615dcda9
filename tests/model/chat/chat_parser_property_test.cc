// Goal: whatever the model says is read the same however its text is cut, well-formed outputs are
// read as they were meant, and no control token leaves a trace. Method: 10,000 well-formed outputs
// and 4,000 damaged ones, drawn from a seed; each token by token, byte by byte, with all text
// joined to the next control token, and in two pieces at every place.
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/chat_parser.h"
#include "model/detokenizer.h"
#include "model/utf8.h"
#include "tests/model/chat/chat_tokenizers.h"
#include "tests/model/chat/drawn_output.h"

namespace coterie {
namespace {

constexpr uint64_t kNumWellFormed = 10000;
constexpr uint64_t kNumDamaged = 4000;

// What the parser is given in one call; text without a token goes to AppendText.
struct Piece {
  int32_t token = -1;
  std::string text;
};

struct Reading {
  std::vector<ChatEvent> events;
  ChatOutput output;
};

std::string Show(const ChatOutput& output) {
  std::string shown =
      absl::StrCat("reasoning: ", output.reasoning, "\ncontent: ", output.content, "\n");
  for (const auto& call : output.calls)
    absl::StrAppend(&shown, "call: ", call.name, " ", call.arguments, "\n");
  for (const auto& call : output.broken_calls) absl::StrAppend(&shown, "broken: ", call, "\n");
  return absl::StrCat(shown, "end: ", output.end);
}

class PropertyTest : public ::testing::Test {
 protected:
  Reading Read(const std::vector<Piece>& pieces, const DrawnOutput& drawn) {
    Reading reading;
    ChatParser parser(tokenizer_.get(), tokens_, drawn.starts_in_channel);
    const auto take = [&](std::vector<ChatEvent> events) {
      for (ChatEvent& event : events) {
        reading.output.Add(event);
        reading.events.push_back(std::move(event));
      }
    };
    for (const Piece& piece : pieces) {
      take(piece.token < 0 ? parser.AppendText(piece.text)
                           : parser.Append(piece.token, piece.text));
    }
    take(parser.Finish(drawn.stop_token));
    reading.output.end = parser.end();
    return reading;
  }

  std::vector<Piece> ByToken(const std::vector<int32_t>& ids) {
    Detokenizer detokenizer(&tokenizer_->vocabulary(), ControlText::kShow);
    std::vector<Piece> pieces;
    pieces.reserve(ids.size() + 1);
    for (int32_t id : ids) pieces.push_back({id, *detokenizer.Append(id)});
    pieces.push_back({-1, detokenizer.Finish()});
    return pieces;
  }

  // All text between two control tokens as one piece.
  std::vector<Piece> Joined(const std::vector<Piece>& by_token) {
    std::vector<Piece> pieces = {{}};
    for (const Piece& piece : by_token) {
      if (piece.token < 0 || !tokenizer_->IsControl(piece.token)) {
        pieces.back().text += piece.text;
        continue;
      }
      const std::string& spelling = tokenizer_->vocabulary().tokens[piece.token];
      pieces.back().text += piece.text.substr(0, piece.text.size() - spelling.size());
      pieces.push_back({piece.token, spelling});
      pieces.push_back({});
    }
    return pieces;
  }

  // What the detokenizer does with held-back bytes, for all text.
  std::vector<Piece> JoinedToControl(const std::vector<Piece>& joined) {
    std::vector<Piece> pieces;
    std::string text;
    for (const Piece& piece : joined) {
      text += piece.text;
      if (piece.token >= 0) pieces.push_back({piece.token, std::exchange(text, "")});
    }
    pieces.push_back({-1, text});
    return pieces;
  }

  std::vector<Piece> ByByte(const std::vector<Piece>& joined) {
    std::vector<Piece> pieces;
    for (const Piece& piece : joined) {
      if (piece.token >= 0) {
        pieces.push_back(piece);
      } else {
        for (char c : piece.text) pieces.push_back({-1, std::string(1, c)});
      }
    }
    return pieces;
  }

  void ExpectSameHoweverCut(const DrawnOutput& drawn, const Reading& reading) {
    const std::string expected = Show(reading.output);
    std::vector<Piece> joined = Joined(ByToken(drawn.ids));
    ASSERT_EQ(Show(Read(joined, drawn).output), expected);
    ASSERT_EQ(Show(Read(JoinedToControl(joined), drawn).output), expected);
    ASSERT_EQ(Show(Read(ByByte(joined), drawn).output), expected);
    for (size_t i = 0; i < joined.size(); ++i) {
      if (joined[i].token >= 0 || joined[i].text.size() < 2) continue;
      const std::string text = joined[i].text;
      joined.insert(joined.begin() + static_cast<std::ptrdiff_t>(i), Piece());
      for (size_t place = 1; place < text.size(); ++place) {
        joined[i].text = text.substr(0, place);
        joined[i + 1].text = text.substr(place);
        ASSERT_EQ(Show(Read(joined, drawn).output), expected) << place << " of " << text;
      }
      joined.erase(joined.begin() + static_cast<std::ptrdiff_t>(i));
      joined[i].text = text;
    }
  }

  // What holds of the events of any output.
  void ExpectInOrder(const Reading& reading) {
    using Kind = ChatEvent::Kind;
    int num_begun = 0;
    bool open = false;
    std::string arguments;
    for (const ChatEvent& event : reading.events) {
      const bool is_text = event.kind == Kind::kReasoning || event.kind == Kind::kContent;
      if (is_text) {
        EXPECT_FALSE(open);
      } else if (event.kind == Kind::kCallBegin) {
        EXPECT_FALSE(open);
        EXPECT_EQ(event.call, num_begun++);
        open = true;
        arguments.clear();
      } else if (event.kind == Kind::kCallBroken) {
        EXPECT_EQ(event.call, open ? num_begun - 1 : -1);
        EXPECT_TRUE(absl::StartsWith(event.text, "<|tool_call>"));
        open = false;
        continue;
      } else {
        EXPECT_TRUE(open);
        EXPECT_EQ(event.call, num_begun - 1);
        arguments += event.text;
        if (event.kind == Kind::kCallEnd) {
          open = false;
          EXPECT_TRUE(nlohmann::json::accept(arguments)) << arguments;
        }
      }
      if (is_text || event.kind == Kind::kArguments) {
        EXPECT_FALSE(event.text.empty());
        EXPECT_TRUE(IsValidUtf8(event.text));
        for (const std::string& spelling : spellings_)
          EXPECT_FALSE(absl::StrContains(event.text, spelling)) << event.text;
      }
    }
    EXPECT_FALSE(open);
  }

  // An id gone, doubled, exchanged, or another put between.
  void Damage(std::mt19937_64* random, std::vector<int32_t>* ids) {
    const auto any = [&] {
      const bool control = (*random)() % 2 == 0;
      const auto num_tokens = static_cast<uint64_t>(tokenizer_->vocabulary().num_tokens());
      return static_cast<int32_t>((*random)() % (control ? 17 : num_tokens));
    };
    for (uint64_t i = 1 + (*random)() % 3; i > 0 && !ids->empty(); --i) {
      const auto place = ids->begin() + static_cast<std::ptrdiff_t>((*random)() % ids->size());
      switch ((*random)() % 5) {
        case 0:
          ids->erase(place);
          break;
        case 1:
          ids->insert(place, *place);
          break;
        case 2:
          *place = any();
          break;
        case 3:
          ids->insert(place, any());
          break;
        case 4:
          ids->erase(place, ids->end());
          break;
      }
    }
  }

  const std::unique_ptr<const Tokenizer> tokenizer_ = ReadTokenizer("tiny");
  const ChatTokens tokens_ = *ChatTokens::Create(*tokenizer_);
  const std::vector<std::string> spellings_ = ControlSpellings(*tokenizer_);
};

TEST_F(PropertyTest, WellFormedOutputsAreReadAsMeant) {
  int num_calls = 0;
  for (uint64_t seed = 0; seed < kNumWellFormed; ++seed) {
    SCOPED_TRACE(seed);
    const DrawnOutput drawn(tokenizer_.get(), seed);
    const Reading reading = Read(ByToken(drawn.ids), drawn);
    ASSERT_EQ(reading.output.reasoning, drawn.reasoning);
    ASSERT_EQ(reading.output.content, drawn.content);
    ASSERT_TRUE(reading.output.broken_calls.empty()) << reading.output.broken_calls[0];
    ASSERT_EQ(reading.output.calls.size(), drawn.calls.size());
    for (size_t i = 0; i < drawn.calls.size(); ++i) {
      EXPECT_EQ(reading.output.calls[i].name, drawn.calls[i].name);
      EXPECT_EQ(nlohmann::json::parse(reading.output.calls[i].arguments),
                nlohmann::json::parse(drawn.calls[i].arguments.dump()));
    }
    EXPECT_EQ(reading.output.end, !drawn.stop_token     ? ChatEnd::kCut
                                  : drawn.calls.empty() ? ChatEnd::kTurn
                                                        : ChatEnd::kToolCalls);
    ExpectInOrder(reading);
    ExpectSameHoweverCut(drawn, reading);
    if (HasFailure()) break;
    num_calls += static_cast<int>(drawn.calls.size());
  }
  EXPECT_GE(num_calls, 5000);
}

TEST_F(PropertyTest, DamagedOutputsAreReadTheSameHoweverCut) {
  size_t num_broken = 0;
  for (uint64_t seed = 0; seed < kNumDamaged; ++seed) {
    SCOPED_TRACE(seed);
    DrawnOutput drawn(tokenizer_.get(), seed);
    std::mt19937_64 random(seed);
    Damage(&random, &drawn.ids);
    const Reading reading = Read(ByToken(drawn.ids), drawn);
    ExpectInOrder(reading);
    ExpectSameHoweverCut(drawn, reading);
    if (HasFailure()) break;
    num_broken += reading.output.broken_calls.size();
  }
  EXPECT_GE(num_broken, 500u);
}

}  // namespace
}  // namespace coterie
