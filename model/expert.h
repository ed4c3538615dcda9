// The gated FFN of routed experts: y = down · (gelu_tanh(gate · z) ⊙ up · z), for batches of (row,
// expert) pairs.
#ifndef COTERIE_MODEL_EXPERT_H_
#define COTERIE_MODEL_EXPERT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/buffer.h"
#include "kernels/kernels.h"
#include "kernels/parallel.h"
#include "model/weights.h"

namespace coterie {

// What a worker returns for a (row, expert) pair, and what a local expert is rounded to as well:
// f32 for f32 weights, else bf16.
RowFormat ExpertOutputFormat(DType expert_weights);

// The pairs of one expert: pointers to its encoded input rows (format of the weights), and where
// each output row goes: outputs[i] receives EncodedRowBytes(ExpertOutputFormat, model_dim) bytes,
// 4-byte aligned.
struct ExpertJob {
  const ExpertWeights* weights = nullptr;
  std::span<const std::byte* const> rows;
  std::span<std::byte* const> outputs;
};

// Runs batches; keeps its scratch between calls. Thread rule: one caller at a time.
class ExpertRunner {
 public:
  explicit ExpertRunner(Parallel* pool) : pool_(pool) {}  // pool: not owned, outlives this
  void Run(std::span<const ExpertJob> jobs);

 private:
  Parallel* const pool_;
  Buffer gate_up_, hidden_, down_;  // [pairs of all jobs, …]
  EncodedRows encoded_;
  std::vector<MatMulJob> products_;
  std::vector<const std::byte*> hidden_rows_;
  std::vector<std::byte*> outputs_;
};

}  // namespace coterie

#endif  // COTERIE_MODEL_EXPERT_H_
