// TokenLog: who is told the tokens of a request as they are drawn, so that another router can go on
// with it. What is done with them is router/journal's.
//
// Called by the engine's thread, Accepted by the one that submits; must be quick.
#ifndef COTERIE_ROUTER_ENGINE_TOKEN_LOG_H_
#define COTERIE_ROUTER_ENGINE_TOKEN_LOG_H_

#include <cstddef>
#include <cstdint>

namespace coterie {

class TokenLog {
 public:
  virtual ~TokenLog() = default;

  // The request is in the queue, with room for so many tokens of an answer. Once, first.
  virtual void Accepted(int64_t max_tokens) = 0;
  // The next token of a choice; stop tokens are none of it.
  virtual void Append(size_t choice, int32_t token) = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_TOKEN_LOG_H_
