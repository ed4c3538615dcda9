#include "model/weights.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/mapped_file.h"

namespace coterie {
namespace {

class Loader {
 public:
  Loader(const Checkpoint& checkpoint, const LoadOptions& options, Parallel& pool)
      : checkpoint_(checkpoint), options_(options), pool_(pool) {}

  // Never a fallback for rows that are no whole blocks: all experts have the format that
  // LoadedExpertFormat promises, or loading fails.
  DType FormatFor(DType stored) const {
    return IsQuantised(stored) ? stored : options_.quantise.value_or(stored);
  }

  // The stacked matrices of `roles`, in the format that the options ask for, or in `format`.
  absl::StatusOr<PackedMatrix> Matrix(std::initializer_list<TensorRole> roles, int64_t layer,
                                      std::optional<DType> format = std::nullopt,
                                      int64_t expert = 0) {
    std::vector<RawMatrix> sources;
    for (TensorRole role : roles) {
      for (const RawMatrix& source : checkpoint_.Matrices(role, layer, expert))
        sources.push_back(source);
    }
    for (const RawMatrix& source : sources) {
      if (source.dtype != sources.front().dtype) {
        return absl::UnimplementedError(absl::StrCat(
            "tensor ", checkpoint_.TensorName(*roles.begin(), layer), ": stacked tensors of types ",
            DTypeName(sources.front().dtype), " and ", DTypeName(source.dtype)));
      }
      AdvisePages(source.bytes, true);
    }
    absl::StatusOr<PackedMatrix> packed = PackedMatrix::PackStacked(
        sources, format.value_or(FormatFor(sources.front().dtype)), pool_);
    for (const RawMatrix& source : sources) AdvisePages(source.bytes, false);
    if (!packed.ok())
      return Annotate(packed.status(),
                      absl::StrCat("tensor ", checkpoint_.TensorName(*roles.begin(), layer)));
    return packed;
  }

  // A plain tensor as f32, row by row.
  absl::StatusOr<std::vector<float>> Values(TensorRole role, int64_t layer) {
    const RawMatrix source = checkpoint_.Matrices(role, layer).front();
    ASSIGN_OR_RETURN(const PackedMatrix packed, Matrix({role}, layer, source.dtype));
    std::vector<float> values(static_cast<size_t>(source.num_rows * source.num_cols));
    for (int64_t row = 0; row < source.num_rows; ++row)
      packed.UnpackRow(row, values.data() + row * source.num_cols);
    return values;
  }

  // A plain matrix as an f32 one, whatever it is stored in.
  absl::StatusOr<PackedMatrix> MatrixF32(TensorRole role, int64_t layer) {
    ASSIGN_OR_RETURN(const std::vector<float> values, Values(role, layer));
    const RawMatrix source = checkpoint_.Matrices(role, layer).front();
    return PackedMatrix::Pack(
        {DType::kF32, source.num_rows, source.num_cols, std::as_bytes(std::span(values))},
        DType::kF32, pool_);
  }

  absl::StatusOr<LayerWeights> Layer(int64_t layer) {
    LayerWeights w;
    const struct {
      TensorRole role;
      std::vector<float>* values;
    } vectors[] = {
        {TensorRole::kInputNorm, &w.input_norm},
        {TensorRole::kPostAttentionNorm, &w.post_attention_norm},
        {TensorRole::kPreDenseNorm, &w.pre_dense_norm},
        {TensorRole::kPostDenseNorm, &w.post_dense_norm},
        {TensorRole::kPreExpertNorm, &w.pre_expert_norm},
        {TensorRole::kPostExpertNorm, &w.post_expert_norm},
        {TensorRole::kPostNorm, &w.post_norm},
        {TensorRole::kQueryNorm, &w.query_norm},
        {TensorRole::kKeyNorm, &w.key_norm},
        {TensorRole::kGateScale, &w.gate_scale},
        {TensorRole::kPerExpertScale, &w.per_expert_scale},
    };
    for (const auto& [role, values] : vectors) {
      ASSIGN_OR_RETURN(*values, Values(role, layer));
    }
    const float root = 1.0f / std::sqrt(static_cast<float>(checkpoint_.config().model_dim));
    for (float& scale : w.gate_scale) scale *= root;
    ASSIGN_OR_RETURN(const std::vector<float> scalar, Values(TensorRole::kLayerScalar, layer));
    w.layer_scalar = scalar.front();
    ASSIGN_OR_RETURN(w.query, Matrix({TensorRole::kQuery}, layer));
    ASSIGN_OR_RETURN(w.key, Matrix({TensorRole::kKey}, layer));
    if (!checkpoint_.config().layer_is_global[static_cast<size_t>(layer)]) {
      ASSIGN_OR_RETURN(w.value, Matrix({TensorRole::kValue}, layer));
    }
    ASSIGN_OR_RETURN(w.output, Matrix({TensorRole::kOutput}, layer));
    ASSIGN_OR_RETURN(w.dense_gate_up,
                     Matrix({TensorRole::kDenseGate, TensorRole::kDenseUp}, layer));
    ASSIGN_OR_RETURN(w.dense_down, Matrix({TensorRole::kDenseDown}, layer));
    ASSIGN_OR_RETURN(w.gate, MatrixF32(TensorRole::kGate, layer));
    return w;
  }

 private:
  const Checkpoint& checkpoint_;
  const LoadOptions options_;
  Parallel& pool_;
};

}  // namespace

size_t TrunkWeights::size_bytes() const {
  size_t bytes = embedding.size_bytes();
  for (const LayerWeights& w : layers) {
    for (const PackedMatrix* matrix :
         {&w.query, &w.key, &w.value, &w.output, &w.dense_gate_up, &w.dense_down, &w.gate})
      bytes += matrix->size_bytes();
  }
  return bytes;
}

DType LoadedExpertFormat(const Checkpoint& checkpoint, const LoadOptions& options) {
  const DType stored = checkpoint.expert_dtype();
  return IsQuantised(stored) ? stored : options.quantise.value_or(stored);
}

absl::StatusOr<TrunkWeights> LoadTrunk(const Checkpoint& checkpoint, const LoadOptions& options,
                                       Parallel& pool) {
  Loader loader(checkpoint, options, pool);
  TrunkWeights weights;
  std::optional<DType> embedding_format;
  // The embedding is the head as well: four bits there cost the most quality for the fewest bytes.
  if (const DType stored = checkpoint.Matrices(TensorRole::kEmbedding, kNoLayer).front().dtype;
      options.quantise && !IsQuantised(stored))
    embedding_format = DType::kQ8_0;
  ASSIGN_OR_RETURN(weights.embedding,
                   loader.Matrix({TensorRole::kEmbedding}, kNoLayer, embedding_format));
  ASSIGN_OR_RETURN(weights.final_norm, loader.Values(TensorRole::kFinalNorm, kNoLayer));
  for (int64_t layer = 0; layer < checkpoint.config().num_layers; ++layer) {
    ASSIGN_OR_RETURN(LayerWeights layer_weights, loader.Layer(layer));
    weights.layers.push_back(std::move(layer_weights));
  }
  return weights;
}

absl::StatusOr<ExpertWeights> LoadExpert(const Checkpoint& checkpoint, int64_t layer,
                                         int64_t expert, const LoadOptions& options,
                                         Parallel& pool) {
  Loader loader(checkpoint, options, pool);
  ExpertWeights weights;
  absl::StatusOr<PackedMatrix> gate_up =
      loader.Matrix({TensorRole::kExpertGateUp}, layer, std::nullopt, expert);
  if (!gate_up.ok()) return Annotate(gate_up.status(), absl::StrCat("expert ", expert));
  weights.gate_up = *std::move(gate_up);
  absl::StatusOr<PackedMatrix> down =
      loader.Matrix({TensorRole::kExpertDown}, layer, std::nullopt, expert);
  if (!down.ok()) return Annotate(down.status(), absl::StrCat("expert ", expert));
  weights.down = *std::move(down);
  return weights;
}

}  // namespace coterie
