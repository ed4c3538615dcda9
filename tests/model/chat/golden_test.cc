// Goal: conversations become the text that the Jinja template gives, byte for byte, and what has no
// text is refused. Method: some 1,290 conversations rendered by Jinja
// (tests/golden/make_chat_goldens.py).
#include <string>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "model/chat_segments.h"
#include "model/chat_template.h"
#include "tests/model/chat/conversations.h"

namespace coterie {
namespace {

TEST(ChatGoldenTest, TheTextIsThatOfJinja) {
  int num_texts = 0;
  for (const Conversation& conversation : ReadConversations()) {
    if (!conversation.text) continue;
    ++num_texts;
    const auto prompt = Render(conversation);
    ASSERT_TRUE(prompt.ok()) << prompt.status() << "\n" << conversation.line;
    ASSERT_EQ(ChatText(prompt->segments), *conversation.text) << conversation.line;
  }
  EXPECT_GE(num_texts, 1200);
}

TEST(ChatGoldenTest, WhatHasNoTextIsRefused) {
  int num_refused = 0;
  for (const Conversation& conversation : ReadConversations()) {
    if (conversation.text) continue;
    ++num_refused;
    const auto prompt = Render(conversation);
    EXPECT_EQ(prompt.status().code(), absl::StatusCode::kInvalidArgument) << conversation.line;
  }
  EXPECT_GE(num_refused, 40);
}

TEST(ChatGoldenTest, APromptThatEndsInAChannelSaysSo) {
  int num_in_channel = 0;
  for (const Conversation& conversation : ReadConversations()) {
    if (!conversation.text) continue;
    const bool ends = conversation.options.add_generation_prompt &&
                      absl::EndsWith(*conversation.text, "<|channel>thought\n");
    num_in_channel += ends;
    EXPECT_EQ(Render(conversation)->ends_in_channel, ends) << conversation.line;
  }
  EXPECT_GE(num_in_channel, 20);
}

// Segments take turns, and what is trusted is the format's ASCII.
TEST(ChatGoldenTest, TrustedTextIsOurs) {
  for (const Conversation& conversation : ReadConversations()) {
    if (!conversation.text) continue;
    const ChatPrompt prompt = *Render(conversation);
    bool previous = !prompt.segments[0].trusted;
    for (const ChatSegment& segment : prompt.segments) {
      EXPECT_FALSE(segment.text.empty());
      EXPECT_NE(segment.trusted, previous);
      previous = segment.trusted;
      if (!segment.trusted) continue;
      for (const char c : segment.text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7F));
    }
  }
}

}  // namespace
}  // namespace coterie
