// Trunk: embedding, attention, norms, dense MLP, gate and head: all of the model that is not a
// routed expert. One forward pass of a batch of rows is a fixed sequence of calls; between Gate and
// Combine the caller has the experts computed, here or elsewhere:
//
//   trunk.Begin(batch);                          // x = embedding
//   for (layer = 0 … num_layers) {
//     trunk.Attend(layer);                       // x1 = x + norm(attention(norm(x)))
//     trunk.Gate(layer);                         // routing() and expert_input() are set
//     dispatch(trunk.expert_input(), trunk.routing());
//     trunk.DenseMlp(layer);                     // while the rows are away
//     trunk.Combine(layer, expert_rows);         // x of the next layer
//   }
//   trunk.Logits(rows, out);
//
// A row is one token of one sequence at one position; rows of several sequences may be mixed, and
// several rows of one sequence must be in order of position. A row's results do not depend on the
// other rows. Formulas: transformers' models/gemma4.
//
// Thread rule: one owner thread.
#ifndef COTERIE_MODEL_TRUNK_H_
#define COTERIE_MODEL_TRUNK_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/weights.h"

namespace coterie {

struct TrunkBatch {
  std::span<const int32_t> tokens;     // [num_rows], each < vocab_size
  std::span<const int64_t> positions;  // [num_rows]
  // views[layer * num_rows + row]: the cache of that row's sequence in that layer; must cover every
  // position visible to the row and its own.
  std::span<const KvView> views;
};

struct Routing {
  std::span<const int32_t> experts;  // [num_rows * top_k], rank order within a row
  std::span<const float> weights;    // [num_rows * top_k]
};

class Trunk {
 public:
  struct Options {
    int64_t max_rows = 512;
    KvType kv_type = KvType::kBF16;
    RowFormat expert_rows = RowFormat::kInt8;  // what the experts' weights consume
  };
  // config, weights and pool are not owned and outlive this. Takes all memory of a step now.
  Trunk(const ModelConfig* config, const TrunkWeights* weights, Options options, Parallel* pool);

  // The cache shape of a layer. Global layers keep V and the rotated dims of K: K's other dims are
  // folded into the query (k = rope(v ⊙ w_k), so q·k there is (q ⊙ w_k)·v).
  static KvShape KvShapeOf(const ModelConfig& config, int64_t layer, KvType type);

  void Begin(const TrunkBatch& batch);
  void Attend(int64_t layer);
  void Gate(int64_t layer);
  void DenseMlp(int64_t layer);
  // rows: [num_rows * top_k, model_dim], the experts' outputs in the order of routing().
  void Combine(int64_t layer, const Tensor& rows);
  // Soft-capped logits of the chosen rows. out: [rows.size(), vocab_size].
  void Logits(std::span<const int64_t> rows, const Tensor& out);

  const EncodedRows& expert_input() const { return expert_input_; }  // [num_rows, model_dim]
  Routing routing() const;
  Tensor residual() const;  // [num_rows, model_dim], for tests
  int64_t max_rows() const { return options_.max_rows; }

 private:
  int64_t num_rows() const { return static_cast<int64_t>(batch_.tokens.size()); }
  Tensor View(const Buffer& buffer, int64_t num_cols) const;  // [num_rows, num_cols]
  // body(begin, end) over the rows, on the pool where there are many.
  template <typename Body>
  void ForRows(Body body);
  void Encode(RowFormat format, const Tensor& x, EncodedRows* out);
  // x · wᵀ for each weight, of the same encoded rows, in one parallel region.
  void Project(const EncodedRows& x, std::initializer_list<const PackedMatrix*> weights,
               std::initializer_list<Tensor> outs);
  void StoreSliding(int64_t layer, int64_t row);
  void StoreGlobal(int64_t layer, int64_t row);

  const ModelConfig* const config_;
  const TrunkWeights* const weights_;
  const Options options_;
  Parallel* const pool_;
  TrunkBatch batch_;
  std::vector<float> inverse_frequency_sliding_, inverse_frequency_global_;
  int64_t some_sliding_ = kNoLayer, some_global_ = kNoLayer;  // a layer of each type
  std::vector<int32_t> experts_;
  std::vector<float> expert_weights_;
  EncodedRows encoded_, expert_input_;
  std::vector<const std::byte*> row_pointers_;
  std::vector<MatMulJob> products_;
  Buffer x_, normed_, branch_, dense_;     // [rows, model_dim]
  Buffer query_, value_query_, attended_;  // [rows, heads * head_dim]
  Buffer key_, value_;                     // [rows, kv_heads * head_dim]
  Buffer compact_;  // [rows, heads * rotated dims]: a global layer's queries, or keys, as scores
                    // want them
  Buffer gate_up_, hidden_, gate_logits_;
  Buffer cos_sliding_, sin_sliding_, cos_global_, sin_global_;
};

}  // namespace coterie

#endif  // COTERIE_MODEL_TRUNK_H_
