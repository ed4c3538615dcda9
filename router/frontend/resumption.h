// Resumption: where a request goes on whose router has died: what was drawn there, and what of it
// its caller has got.
#ifndef COTERIE_ROUTER_FRONTEND_RESUMPTION_H_
#define COTERIE_ROUTER_FRONTEND_RESUMPTION_H_

#include <cstdint>
#include <vector>

namespace coterie {

struct Resumption {
  struct Choice {
    int64_t num_received = 0;  // tokens that the caller has, and what they settled
    bool finished = false;     // the caller has all of it
  };
  // As many as the request has, both.
  std::vector<Choice> choices;
  // Known tokens of the answers; fewer than were received is fine: the rest is drawn again.
  std::vector<std::vector<int32_t>> drawn;
  int64_t max_tokens = 0;  // of an answer, as the first router had it
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_RESUMPTION_H_
