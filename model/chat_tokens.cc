#include "model/chat_tokens.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

struct Field {
  absl::string_view spelling;
  int32_t ChatTokens::*id;
};

constexpr Field kFields[] = {
    {kBos, &ChatTokens::bos},
    {kTurnBegin, &ChatTokens::turn_begin},
    {kTurnEnd, &ChatTokens::turn_end},
    {kThink, &ChatTokens::think},
    {kChannelBegin, &ChatTokens::channel_begin},
    {kChannelEnd, &ChatTokens::channel_end},
    {kToolBegin, &ChatTokens::tool_begin},
    {kToolEnd, &ChatTokens::tool_end},
    {kCallBegin, &ChatTokens::call_begin},
    {kCallEnd, &ChatTokens::call_end},
    {kResponseBegin, &ChatTokens::response_begin},
    {kResponseEnd, &ChatTokens::response_end},
    {kQuote, &ChatTokens::quote},
};

}  // namespace

absl::StatusOr<ChatTokens> ChatTokens::Create(const Tokenizer& tokenizer) {
  ChatTokens tokens;
  for (const Field& field : kFields) {
    const auto id = tokenizer.TokenId(field.spelling);
    if (!id || !tokenizer.IsControl(*id)) {
      return absl::FailedPreconditionError(
          absl::StrCat("the vocabulary has ", id ? "an ordinary" : "no", " token ", field.spelling,
                       ", and the chat format needs it as a control token"));
    }
    tokens.*field.id = *id;
  }
  return tokens;
}

ChatTokens::Match ChatTokens::AtFront(absl::string_view text) const {
  for (const Field& field : kFields) {
    if (absl::StartsWith(text, field.spelling)) return {this->*field.id, field.spelling};
  }
  return {};
}

}  // namespace coterie
