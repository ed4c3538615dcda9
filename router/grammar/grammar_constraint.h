// GrammarConstraint: an OutputPlan at work on one sequence.
#ifndef COTERIE_ROUTER_GRAMMAR_GRAMMAR_CONSTRAINT_H_
#define COTERIE_ROUTER_GRAMMAR_GRAMMAR_CONSTRAINT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "router/grammar/grammar_automaton.h"
#include "router/grammar/output_plan.h"
#include "router/grammar/token_mask.h"
#include "router/sampling/token_constraint.h"

namespace coterie {

// Guarantees:
// - Apply leaves a token. Where the grammar cannot go on, because the vocabulary cannot spell what
//   it asks for, only stop tokens are left, and where there are none the constraint is over.
// - After Append of a token that may not come the constraint is over.
//
// Owned by the engine's thread; one for each sequence. Some 2 MB, and 10 at most.
class GrammarConstraint : public TokenConstraint {
 public:
  explicit GrammarConstraint(std::shared_ptr<const OutputPlan> plan);

  void Apply(std::span<float> logits) override;
  bool active() const override;
  bool decides_end() const override { return in_grammar(); }
  void Append(int32_t token) override;

  // The set that Apply leaves, while the text is under the grammar.
  const TokenMask& Mask();
  bool in_grammar() const { return phase_ == Phase::kGrammar; }

 private:
  enum class Phase {
    kChannel,  // before the grammar; free, but it may not be the end
    kFree,     // text that is under no grammar
    kGrammar,
    kOver,
  };

  void Enter(int32_t node);
  void AppendInChannel(int32_t token);
  void AppendFree(int32_t token);
  void AppendInGrammar(int32_t token);
  bool MayCall() const;
  void Forbid(int32_t token, std::span<float> logits) const;

  const std::shared_ptr<const OutputPlan> plan_;
  GrammarAutomaton automaton_;
  Phase phase_ = Phase::kFree;
  int32_t state_ = GrammarAutomaton::kDead;
  bool at_start_ = false;  // of the text: a channel may come
  int num_channels_ = 0;
  int num_calls_ = 0;                             // that began in free text
  std::unordered_map<int32_t, TokenMask> masks_;  // by state
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_GRAMMAR_CONSTRAINT_H_
