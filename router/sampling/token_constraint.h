// TokenConstraint: which tokens may come next in one sequence: a JSON schema, a tool's arguments, a
// choice of tools. What it is made of is router/grammar's; the engine only asks.
//
// Thread-compatible; one for each sequence.
#ifndef COTERIE_ROUTER_SAMPLING_TOKEN_CONSTRAINT_H_
#define COTERIE_ROUTER_SAMPLING_TOKEN_CONSTRAINT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace coterie {

class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;

  // Lowers the logits of tokens that may not come now to the lowest float, which stays finite. At
  // least one token is left. logits: [vocab_size].
  virtual void Apply(std::span<float> logits) = 0;
  // False when Apply would change nothing now: then it need not be called.
  virtual bool active() const = 0;
  // When the sequence may end is for the constraint to say now, whatever min_tokens wants: a value
  // that is complete can only end.
  virtual bool decides_end() const = 0;
  // The token that was drawn, a stop token included. One that may not come (a rail can force one)
  // ends the constraint.
  virtual void Append(int32_t token) = 0;
};

// One request may have several sequences. Thread-safe.
using TokenConstraintFactory = std::function<std::unique_ptr<TokenConstraint>()>;

}  // namespace coterie

#endif  // COTERIE_ROUTER_SAMPLING_TOKEN_CONSTRAINT_H_
