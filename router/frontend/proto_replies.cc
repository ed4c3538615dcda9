#include "router/frontend/proto_replies.h"

#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

v1::FinishReason ToProto(FinishReason reason) {
  switch (reason) {
    case FinishReason::kNone:
      return v1::FINISH_REASON_NONE;
    case FinishReason::kStop:
      return v1::FINISH_REASON_STOP;
    case FinishReason::kLength:
      return v1::FINISH_REASON_LENGTH;
    case FinishReason::kToolCalls:
      return v1::FINISH_REASON_TOOL_CALLS;
    case FinishReason::kRepetition:
      return v1::FINISH_REASON_REPETITION;
    case FinishReason::kToolLoop:
      return v1::FINISH_REASON_TOOL_LOOP;
  }
  return v1::FINISH_REASON_NONE;
}

void FillUsage(const AnswerUsage& usage, v1::Usage* out) {
  out->set_prompt_tokens(static_cast<uint32_t>(usage.prompt_tokens));
  out->set_cached_tokens(static_cast<uint32_t>(usage.cached_tokens));
  out->set_generated_tokens(static_cast<uint32_t>(usage.generated_tokens));
  out->set_reasoning_tokens(static_cast<uint32_t>(usage.reasoning_tokens));
  out->set_queue_seconds(usage.queue_seconds);
  out->set_prefill_seconds(usage.prefill_seconds);
  out->set_decode_seconds(usage.decode_seconds);
}

// What both replies have.
template <typename Reply>
void FillCommon(const AnswerDelta& delta, const AnswerUsage& usage, Reply* reply) {
  reply->set_choice(static_cast<uint32_t>(delta.choice));
  for (const AnswerToken& token : delta.tokens) {
    v1::GeneratedToken* out = reply->add_tokens();
    out->set_id(token.id);
    out->set_logprob(token.logprob);
    for (const auto& [id, logprob] : token.top) {
      v1::TokenLogprob* top = out->add_top();
      top->set_id(id);
      top->set_logprob(logprob);
    }
  }
  if (!delta.last) return;
  reply->set_finish_reason(ToProto(delta.finish));
  reply->set_matched_stop(delta.matched_stop);
  if (delta.stop_token) reply->set_stop_id(*delta.stop_token);
  FillUsage(usage, reply->mutable_usage());
}

void FillPart(const ChatEvent& event, int64_t choice, v1::ChatPart* part) {
  switch (event.kind) {
    case ChatEvent::Kind::kReasoning:
      return part->set_reasoning(event.text);
    case ChatEvent::Kind::kContent:
      return part->set_content(event.text);
    case ChatEvent::Kind::kCallBegin: {
      v1::ToolCallBegin* begin = part->mutable_call_begin();
      begin->set_index(static_cast<uint32_t>(event.call));
      begin->set_id(absl::StrCat("call_", choice, "_", event.call));
      return begin->set_name(event.name);
    }
    case ChatEvent::Kind::kArguments: {
      part->mutable_call_arguments()->set_index(static_cast<uint32_t>(event.call));
      return part->mutable_call_arguments()->set_json(event.text);
    }
    case ChatEvent::Kind::kCallEnd:
      return part->set_call_end(static_cast<uint32_t>(event.call));
    case ChatEvent::Kind::kCallBroken:
      if (event.call >= 0)
        part->mutable_broken_call()->set_index(static_cast<uint32_t>(event.call));
      return part->mutable_broken_call()->set_text(event.text);
  }
}

}  // namespace

void FillReply(const AnswerDelta& delta, const AnswerUsage& usage, v1::GenerateReply* reply) {
  FillCommon(delta, usage, reply);
  for (const ChatEvent& event : delta.events) reply->mutable_text()->append(event.text);
}

void FillReply(const AnswerDelta& delta, const AnswerUsage& usage, v1::ChatReply* reply) {
  FillCommon(delta, usage, reply);
  for (const ChatEvent& event : delta.events) FillPart(event, delta.choice, reply->add_parts());
}

}  // namespace coterie
