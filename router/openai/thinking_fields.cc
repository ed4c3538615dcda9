#include "router/openai/thinking_fields.h"

#include <optional>

namespace coterie {

void ReadEffort(const char* name, FieldReader* fields, ChatRequest* request) {
  int effort = -1;
  fields->OneOf(name, {"none", "minimal", "low", "medium", "high", "xhigh", "max"}, &effort);
  if (effort < 0) return;
  request->enable_thinking = effort >= 2;
  request->thinking_budget.reset();
  if (effort >= 2 && effort <= 4) request->thinking_budget = int64_t{1024} << (2 * (effort - 2));
}

void ReadThinking(FieldReader* fields, ChatRequest* request) {
  for (const char* name : {"thinking_budget", "thinking_token_budget"}) {
    if (!fields->Has(name)) continue;
    int64_t budget = 0;
    fields->Int(name, 0, INT64_MAX, &budget);
    request->enable_thinking = budget > 0;
    request->thinking_budget.reset();
    if (budget > 0) request->thinking_budget = budget;
  }
  const ChatJson* kwargs = fields->Object("chat_template_kwargs");
  if (kwargs == nullptr) return;
  FieldReader inner(*kwargs, fields->PathOf("chat_template_kwargs"));
  inner.Bool("enable_thinking", &request->enable_thinking);
  inner.Bool("preserve_thinking", &request->preserve_thinking);
  fields->Update(inner.status());
}

}  // namespace coterie
