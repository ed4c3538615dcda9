// Weights: file → validated, packed fields, once, at start. Afterwards no look-up by name exists.
//
// Thread rule: immutable after loading.
#ifndef COTERIE_MODEL_WEIGHTS_H_
#define COTERIE_MODEL_WEIGHTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/packed_matrix.h"
#include "kernels/parallel.h"
#include "model/checkpoint.h"

namespace coterie {

struct LoadOptions {
  // Plain (f32, f16, bf16) matrices are quantised to this while loading: kQ8_0 or kQ4_0. Norms,
  // gate and scales stay f32, and the embedding takes q8_0 at least. Already quantised matrices
  // keep their format.
  std::optional<DType> quantise;
};

struct LayerWeights {
  std::vector<float> input_norm, post_attention_norm, pre_dense_norm, post_dense_norm,
      pre_expert_norm, post_expert_norm, post_norm;
  PackedMatrix query, key, value, output;  // value is empty in a global layer
  std::vector<float> query_norm, key_norm;
  PackedMatrix dense_gate_up;  // [2 * dense_dim, dim], gate rows first
  PackedMatrix dense_down;
  PackedMatrix gate;              // f32 [experts, dim]
  std::vector<float> gate_scale;  // router.scale * dim^-1/2
  std::vector<float> per_expert_scale;
  float layer_scalar = 1;
};

struct TrunkWeights {
  PackedMatrix embedding;  // [vocab, dim]
  std::vector<LayerWeights> layers;
  std::vector<float> final_norm;

  size_t size_bytes() const;
};

struct ExpertWeights {
  PackedMatrix gate_up;  // [2 * expert_dim, dim], gate rows first
  PackedMatrix down;     // [dim, expert_dim]

  size_t size_bytes() const { return gate_up.size_bytes() + down.size_bytes(); }
};

// The format experts have after loading with these options.
DType LoadedExpertFormat(const Checkpoint& checkpoint, const LoadOptions& options);

// InvalidArgument names the tensor with a NaN or infinite value. Pages of the file are released as
// they are packed.
absl::StatusOr<TrunkWeights> LoadTrunk(const Checkpoint& checkpoint, const LoadOptions& options,
                                       Parallel& pool);
absl::StatusOr<ExpertWeights> LoadExpert(const Checkpoint& checkpoint, int64_t layer,
                                         int64_t expert, const LoadOptions& options,
                                         Parallel& pool);

}  // namespace coterie

#endif  // COTERIE_MODEL_WEIGHTS_H_
