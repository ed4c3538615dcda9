// Completions: the one place where requests of both doors become sequences of the engine, and
// tokens become answers. Doors read their wire into ChatRequest or TextRequest, and write deltas to
// their wire; everything between is here.
#ifndef COTERIE_ROUTER_FRONTEND_COMPLETIONS_H_
#define COTERIE_ROUTER_FRONTEND_COMPLETIONS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "router/frontend/answer.h"
#include "router/frontend/chat_request.h"

namespace coterie {

// Thread-safe.
class Completions {
 public:
  virtual ~Completions() = default;

  // InvalidArgument names the field at fault. ResourceExhausted: a queue is full, try later.
  // Unavailable: draining. FailedPrecondition: the model's vocabulary has no chat tokens.
  virtual absl::StatusOr<std::unique_ptr<Answer>> Start(ChatRequest request) = 0;
  virtual absl::StatusOr<std::unique_ptr<Answer>> Start(TextRequest request) = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_COMPLETIONS_H_
