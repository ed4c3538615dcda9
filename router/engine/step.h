// Step: one forward pass of a batch of rows through the whole model, trunk here and experts
// wherever they are.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_ENGINE_STEP_H_
#define COTERIE_ROUTER_ENGINE_STEP_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "model/trunk.h"
#include "router/experts/dispatcher.h"
#include "router/kv/kv_cache.h"

namespace coterie {

// One token of one sequence at one position; `kv` has room for the position.
struct StepRow {
  int32_t token = 0;
  int64_t position = 0;
  const KvCache::Sequence* kv = nullptr;
  bool wants_logits = false;
};

class Step {
 public:
  // trunk and dispatcher: not owned, outlive this.
  Step(const ModelConfig* config, Trunk* trunk, Dispatcher* dispatcher)
      : config_(config), trunk_(trunk), dispatcher_(dispatcher) {}

  // Logits of the rows that want them, in order: [count, vocab_size], valid until the next Run.
  // Cancelled as soon as `cancelled` says so (asked before every layer); what Dispatcher gives
  // when experts cannot be had.
  absl::StatusOr<Tensor> Run(std::span<const StepRow> rows, absl::FunctionRef<bool()> cancelled);

 private:
  const ModelConfig* const config_;
  Trunk* const trunk_;
  Dispatcher* const dispatcher_;
  std::vector<int32_t> tokens_;
  std::vector<int64_t> positions_;
  std::vector<KvView> views_;
  std::vector<int64_t> logit_rows_;
  Buffer logits_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_STEP_H_
