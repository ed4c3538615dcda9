#include "tests/router/grammar/grammar_walk.h"

#include <algorithm>
#include <limits>

#include "kernels/check.h"
#include "model/detokenizer.h"

namespace coterie {

std::vector<int32_t> Allowed(const GrammarModel& model, TokenConstraint* constraint) {
  std::vector<float> logits(model.vocabulary->num_tokens(), 1.0F);
  if (constraint->active()) constraint->Apply(logits);
  std::vector<int32_t> allowed;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > std::numeric_limits<float>::lowest())
      allowed.push_back(static_cast<int32_t>(i));
  }
  return allowed;
}

std::vector<int32_t> RandomWalk(const GrammarModel& model, TokenConstraint* constraint, int steps,
                                std::mt19937_64* random) {
  std::vector<int32_t> way_out = model.stop_tokens;
  way_out.push_back(model.tokens.channel_end);  // in which all others may come
  way_out.push_back(model.tokens.call_end);
  way_out.push_back(model.tokens.quote);  // in whose strings the others are text
  for (const char* const text : {"\"", "}", "]"}) {
    for (int32_t token = 0; token < model.vocabulary->num_tokens(); ++token) {
      if (model.vocabulary->Bytes(token) == text) way_out.push_back(token);
    }
  }
  std::vector<int32_t> walked;
  for (int step = 0; step < steps + 3000; ++step) {
    const std::vector<int32_t> allowed = Allowed(model, constraint);
    CHECK(!allowed.empty());
    int32_t token = allowed[(*random)() % allowed.size()];
    if (step >= steps && (*random)() % 8 != 0) {
      for (int32_t out : way_out) {
        if (!std::binary_search(allowed.begin(), allowed.end(), out)) continue;
        token = out;
        break;
      }
    }
    constraint->Append(token);
    walked.push_back(token);
    const auto& stops = model.stop_tokens;
    if (std::find(stops.begin(), stops.end(), token) != stops.end()) return walked;
  }
  return {};
}

bool Follows(const GrammarModel& model, TokenConstraint* constraint,
             std::span<const int32_t> tokens) {
  for (int32_t token : tokens) {
    const std::vector<int32_t> allowed = Allowed(model, constraint);
    if (!std::binary_search(allowed.begin(), allowed.end(), token)) return false;
    constraint->Append(token);
  }
  return true;
}

std::string TextOf(const GrammarModel& model, std::span<const int32_t> tokens) {
  auto text = Decode(model.tokenizer->vocabulary(), tokens, ControlText::kHide);
  CHECK(text.ok()) << text.status().ToString();
  return *text;
}

}  // namespace coterie
