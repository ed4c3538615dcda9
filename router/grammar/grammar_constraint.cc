#include "router/grammar/grammar_constraint.h"

#include <limits>
#include <utility>

#include "router/grammar/token_walk.h"

namespace coterie {
namespace {

// With thinking off the model sometimes begins a channel all the same, and ends it at once.
constexpr int kChannelsMax = 2;
// A state takes up to a kilobyte and a half, a mask of 262,144 tokens 32 of them.
constexpr int64_t kStatesMax = 1500;
constexpr size_t kMasksMax = 24;

}  // namespace

GrammarConstraint::GrammarConstraint(std::shared_ptr<const OutputPlan> plan)
    : plan_(std::move(plan)), automaton_(&plan_->program) {
  if (plan_->start < 0) return;
  if (plan_->starts_in_channel) {
    phase_ = Phase::kChannel;
    num_channels_ = 1;
  } else {
    at_start_ = true;
    Enter(plan_->start);
  }
}

void GrammarConstraint::Enter(int32_t node) {
  phase_ = Phase::kGrammar;
  state_ = automaton_.StateAt(node);
}

bool GrammarConstraint::MayCall() const {
  return plan_->in_call >= 0 && !(plan_->one_call && num_calls_ > 0);
}

bool GrammarConstraint::active() const {
  switch (phase_) {
    case Phase::kChannel:
    case Phase::kGrammar:
      return true;
    case Phase::kFree:
      return plan_->call_begin >= 0 && !MayCall();
    case Phase::kOver:
      return false;
  }
  return false;
}

void GrammarConstraint::Forbid(int32_t token, std::span<float> logits) const {
  if (token >= 0 && token < static_cast<int64_t>(logits.size()))
    logits[token] = std::numeric_limits<float>::lowest();
}

void GrammarConstraint::Apply(std::span<float> logits) {
  if (phase_ == Phase::kFree || phase_ == Phase::kChannel) {
    if (!MayCall()) Forbid(plan_->call_begin, logits);
    if (phase_ == Phase::kFree) return;
    // The answer is still to come.
    for (int32_t token : plan_->stop_tokens) Forbid(token, logits);
    return;
  }
  if (phase_ == Phase::kOver) return;
  const TokenMask& mask = Mask();
  if (mask.empty()) {
    phase_ = Phase::kOver;
    return;
  }
  mask.Apply(logits);
}

const TokenMask& GrammarConstraint::Mask() {
  if (automaton_.num_states() > kStatesMax) {
    state_ = automaton_.Restart(state_);
    masks_.clear();
  }
  if (const auto known = masks_.find(state_); known != masks_.end() && !at_start_)
    return known->second;
  if (masks_.size() >= kMasksMax) masks_.clear();
  TokenMask mask = MaskOf(*plan_->vocabulary, state_, &automaton_);
  const auto set = [&](int32_t token) {
    if (token >= 0 && token < plan_->vocabulary->num_tokens()) mask.Set(token);
  };
  if (mask.empty()) {
    for (int32_t token : plan_->stop_tokens) set(token);
  }
  if (at_start_ && num_channels_ < kChannelsMax && plan_->channel_end >= 0)
    set(plan_->channel_begin);
  TokenMask& kept = masks_[state_];
  kept = std::move(mask);
  return kept;
}

void GrammarConstraint::Append(int32_t token) {
  switch (phase_) {
    case Phase::kChannel:
      AppendInChannel(token);
      break;
    case Phase::kFree:
      AppendFree(token);
      break;
    case Phase::kGrammar:
      AppendInGrammar(token);
      break;
    case Phase::kOver:
      break;
  }
}

void GrammarConstraint::AppendInChannel(int32_t token) {
  if (token == plan_->channel_end) {
    at_start_ = true;
    Enter(plan_->start);
  } else if (token == plan_->call_begin) {
    // The parser lets a call end the channel.
    if (MayCall()) {
      Enter(plan_->in_call);
    } else {
      phase_ = Phase::kOver;
    }
  }
}

void GrammarConstraint::AppendFree(int32_t token) {
  if (token != plan_->call_begin || token < 0 || !MayCall()) return;
  ++num_calls_;
  Enter(plan_->in_call);
}

void GrammarConstraint::AppendInGrammar(int32_t token) {
  const bool begins_channel = token >= 0 && token == plan_->channel_begin;
  if (at_start_ && begins_channel && num_channels_ < kChannelsMax) {
    masks_.clear();  // the one at the start let the channel through
    at_start_ = false;
    ++num_channels_;
    phase_ = Phase::kChannel;
    return;
  }
  if (std::exchange(at_start_, false)) masks_.clear();
  const absl::string_view bytes = plan_->vocabulary->Bytes(token);
  int32_t next = state_;
  if (bytes.empty()) next = automaton_.AfterControl(state_, token);
  for (size_t i = 0; i < bytes.size() && next != GrammarAutomaton::kDead; ++i)
    next = automaton_.AfterByte(next, static_cast<uint8_t>(bytes[i]));
  if (next == GrammarAutomaton::kDead) {
    phase_ = Phase::kOver;
  } else if (automaton_.HasFree(next)) {
    // Behind a call in free text, or behind an answer that no stop token ends.
    phase_ = plan_->start < 0 ? Phase::kFree : Phase::kOver;
  } else {
    state_ = next;
  }
}

}  // namespace coterie
