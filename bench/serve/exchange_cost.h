// ExchangeCost: what the exchange with experts has cost a router so far, in time and in bytes; the
// difference of two is what happened between them.
#ifndef COTERIE_BENCH_SERVE_EXCHANGE_COST_H_
#define COTERIE_BENCH_SERVE_EXCHANGE_COST_H_

#include "prometheus/registry.h"

namespace coterie {

struct ExchangeCost {
  double exchange_seconds = 0;  // from sending a layer's rows to the last answer
  double dense_seconds = 0;     // the dense branch meanwhile
  double wait_seconds = 0;      // what was left to wait after it
  double compute_seconds = 0;   // what the workers say they computed, all of them together
  double link_seconds = 0;      // of all answers: what was neither computed nor waited in a queue
  double num_answers = 0;
  double row_bytes_out = 0, row_bytes_back = 0;  // of rows alone, as they were counted
  // Of everything that this network namespace moved, headers included: what stays on the machine
  // once, what leaves it or comes in by its own. Unix sockets are not seen.
  double wire_bytes = 0;

  // Reads the router's own metrics, and /proc/self/net/dev.
  static ExchangeCost SoFar(const prometheus::Registry& registry);

  // Since `before`, for each of n.
  ExchangeCost Since(const ExchangeCost& before, double n) const;
};

}  // namespace coterie

#endif  // COTERIE_BENCH_SERVE_EXCHANGE_COST_H_
