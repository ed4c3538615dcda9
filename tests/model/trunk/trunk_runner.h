// TrunkRunner: Trunk and ExpertRunner alone, without router or wire, over a cache that only grows.
// Tests look at the residual and the routing between the calls.
#ifndef COTERIE_TESTS_MODEL_TRUNK_TRUNK_RUNNER_H_
#define COTERIE_TESTS_MODEL_TRUNK_TRUNK_RUNNER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/parallel.h"
#include "model/checkpoint.h"
#include "model/expert.h"
#include "model/trunk.h"

namespace coterie {

class TrunkRunner {
 public:
  // The blocks of one sequence, for every layer.
  struct Sequence {
    std::vector<std::vector<Buffer>> blocks;        // [layer][position / 64]
    std::vector<std::vector<std::byte*>> pointers;  // likewise
  };
  // A run of one sequence's tokens, from `begin` to `end`.
  struct Part {
    Sequence* sequence = nullptr;
    std::span<const int32_t> tokens;  // of the whole sequence
    int64_t begin = 0, end = 0;
  };
  // Called after Gate with the trunk as it stands: residual() is what the gate read.
  using OnGate = std::function<void(int64_t layer, const Trunk& trunk)>;

  TrunkRunner(const std::string& model, KvType kv_type, int num_threads);  // aborts on an error

  // One step over the rows of all parts. Logits of every row, [rows, vocab_size].
  std::vector<float> Run(std::span<const Part> parts, const OnGate& on_gate = {});
  // What the gate of `layer` makes of rows that are given here, [rows, model_dim]; valid until the
  // next call.
  Routing Gate(int64_t layer, std::span<const float> rows);
  // A whole prompt in chunks.
  std::vector<float> Prompt(std::span<const int32_t> tokens, int64_t chunk);

  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const ModelConfig& config() const { return checkpoint_->config(); }

 private:
  void Grow(Sequence* sequence, int64_t num_tokens) const;
  // What a row of `sequence` at `position` needs of a layer: a sliding layer shows no block that
  // lies wholly before the window, so that a read there cannot go unnoticed.
  KvView ViewAt(const Sequence& sequence, int64_t layer, int64_t position) const;
  void RunExperts(int64_t layer, Buffer* rows);

  Parallel pool_;
  std::unique_ptr<Checkpoint> checkpoint_;
  const KvType kv_type_;
  TrunkWeights weights_;
  std::vector<std::vector<ExpertWeights>> experts_;  // [layer][expert]
  std::unique_ptr<Trunk> trunk_;
  ExpertRunner runner_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_MODEL_TRUNK_TRUNK_RUNNER_H_
