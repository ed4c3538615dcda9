#include "model/reference.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "model/plain_rounding.h"
#include "model/plain_values.h"

namespace coterie {
namespace {

using Row = std::vector<double>;
using Rows = std::vector<Row>;
using Mistake = ReferenceMistake;

double Dot(const Row& a, const double* b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

class Reference {
 public:
  Reference(const Checkpoint& checkpoint, ReferenceOptions options)
      : checkpoint_(checkpoint),
        c_(checkpoint.config()),
        mistake_(options.mistake),
        round_(options.round_as_engine),
        round_to_bf16_(round_ && checkpoint.Matrices(TensorRole::kExpertDown, 0, 0).front().dtype !=
                                     DType::kF32) {}

  ReferenceOutput Run(std::span<const int32_t> tokens) {
    ReferenceOutput out;
    const Matrix embedding = Read(TensorRole::kEmbedding, kNoLayer);
    const double scale =
        Is(Mistake::kNoEmbeddingScale) ? 1.0 : static_cast<double>(c_.EmbeddingScale());
    Rows x;
    for (int32_t token : tokens) {
      Row row(embedding.row(token), embedding.row(token) + c_.model_dim);
      for (double& v : row) v *= scale;
      x.push_back(std::move(row));
    }
    for (int64_t layer = 0; layer < c_.num_layers; ++layer) {
      Layer(layer, &x, &out);
      Row flat;
      for (const Row& row : x) flat.insert(flat.end(), row.begin(), row.end());
      out.hidden.push_back(std::move(flat));
    }
    const Row final_norm = Vector(TensorRole::kFinalNorm, kNoLayer);
    const auto cap = static_cast<double>(c_.logit_softcap);
    for (const Row& row : x) {
      Row normed = Norm(row, &final_norm);
      Round(embedding.dtype, &normed);
      for (int64_t id = 0; id < c_.vocab_size; ++id) {
        const double logit = Dot(normed, embedding.row(id));
        out.logits.push_back(Is(Mistake::kNoSoftCap) ? logit : cap * std::tanh(logit / cap));
      }
    }
    return out;
  }

 private:
  struct Matrix {
    int64_t num_cols = 0;
    Row values;
    DType dtype = DType::kF32;
    const double* row(int64_t index) const { return values.data() + index * num_cols; }
    int64_t num_rows() const { return static_cast<int64_t>(values.size()) / num_cols; }
  };

  bool Is(Mistake mistake) const { return mistake_ == mistake; }

  // A tensor, or the parts that a file splits it into, stacked.
  Matrix Read(TensorRole role, int64_t layer, int64_t expert = 0) const {
    Matrix matrix;
    for (const RawMatrix& source : checkpoint_.Matrices(role, layer, expert)) {
      matrix.num_cols = source.num_cols;
      matrix.dtype = source.dtype;
      const Row values = PlainValues(source);
      matrix.values.insert(matrix.values.end(), values.begin(), values.end());
    }
    return matrix;
  }
  Row Vector(TensorRole role, int64_t layer) const { return Read(role, layer).values; }

  // To what a product with weights of `dtype` takes.
  void Round(DType dtype, Row* x) const {
    if (!round_ || dtype == DType::kF32) return;
    IsQuantised(dtype) ? RoundToInt8(x) : RoundToBf16(x);
  }

  Row Times(const Matrix& matrix, Row x) const {
    Round(matrix.dtype, &x);
    Row out(static_cast<size_t>(matrix.num_rows()));
    for (size_t i = 0; i < out.size(); ++i) out[i] = Dot(x, matrix.row(static_cast<int64_t>(i)));
    return out;
  }

  Row Norm(const Row& x, const Row* weight) const {
    double squares = 0;
    for (double v : x) squares += v * v;
    const double scale =
        1.0 / std::sqrt(squares / static_cast<double>(x.size()) + static_cast<double>(c_.norm_eps));
    Row out(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const double w =
          weight == nullptr ? 1.0 : (*weight)[i] + (Is(Mistake::kOnePlusWeightNorms) ? 1.0 : 0.0);
      out[i] = x[i] * scale * w;
    }
    return out;
  }

  double Activation(double u) const {
    if (Is(Mistake::kSilu)) return u / (1 + std::exp(-u));
    if (Is(Mistake::kErfGelu)) return 0.5 * u * (1 + std::erf(u / std::numbers::sqrt2));
    return 0.5 * u * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (u + 0.044715 * u * u * u)));
  }

  Row Ffn(const Matrix& gate, const Matrix& up, const Matrix& down, const Row& z) const {
    Row hidden = Times(gate, z);
    const Row linear = Times(up, z);
    for (size_t i = 0; i < hidden.size(); ++i) hidden[i] = Activation(hidden[i]) * linear[i];
    return Times(down, hidden);
  }

  // Rotates one head in place.
  void Rotate(double* head, int64_t layer, int64_t position) const {
    const bool global = c_.layer_is_global[static_cast<size_t>(layer)];
    const int64_t dim = c_.head_dim(layer), half = dim / 2;
    const int64_t pairs = Is(Mistake::kFullRotationGlobal) ? half : c_.num_rope_pairs(layer);
    const double theta = global ? c_.rope_theta_global : c_.rope_theta_sliding;
    const int64_t denominator = Is(Mistake::kRopeDenominatorRotary) ? 2 * pairs : dim;
    for (int64_t i = 0; i < pairs; ++i) {
      const double angle =
          static_cast<double>(position) *
          std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(denominator));
      int64_t first = i, second = i + half;
      if (Is(Mistake::kRopeContiguous)) second = i + pairs;
      if (Is(Mistake::kInterleavedPairs)) first = 2 * i, second = 2 * i + 1;
      const double a = head[first], b = head[second];
      head[first] = a * std::cos(angle) - b * std::sin(angle);
      head[second] = b * std::cos(angle) + a * std::sin(angle);
    }
  }

  // Norms (and rotates) every head of a row.
  void PrepareHeads(Row* row, int64_t layer, int64_t position, const Row* weight,
                    bool rotate) const {
    const int64_t dim = c_.head_dim(layer);
    for (size_t begin = 0; begin < row->size(); begin += static_cast<size_t>(dim)) {
      const Row head = Norm(Row(row->begin() + static_cast<std::ptrdiff_t>(begin),
                                row->begin() + static_cast<std::ptrdiff_t>(begin) + dim),
                            weight);
      std::copy(head.begin(), head.end(), row->begin() + static_cast<std::ptrdiff_t>(begin));
      if (rotate) Rotate(row->data() + begin, layer, position);
    }
  }

  // Heads that are normed already: times the weight, rotated, the rotated dims to bf16.
  void ScaleAndRotateHeads(Row* row, int64_t layer, int64_t position, const Row& weight) const {
    const auto dim = static_cast<size_t>(c_.head_dim(layer)),
               pairs = static_cast<size_t>(c_.num_rope_pairs(layer));
    for (size_t begin = 0; begin < row->size(); begin += dim) {
      double* head = row->data() + begin;
      for (size_t i = 0; i < dim; ++i) head[i] *= weight[i];
      Rotate(head, layer, position);
      for (size_t i = 0; i < pairs; ++i) {
        head[i] = RoundToBf16(head[i]);
        head[dim / 2 + i] = RoundToBf16(head[dim / 2 + i]);
      }
    }
  }

  Rows Attention(int64_t layer, const Rows& normed) const {
    const bool global = c_.layer_is_global[static_cast<size_t>(layer)];
    const Matrix wq = Read(TensorRole::kQuery, layer), wk = Read(TensorRole::kKey, layer),
                 wo = Read(TensorRole::kOutput, layer);
    const Matrix wv = global ? Matrix() : Read(TensorRole::kValue, layer);
    const Row q_norm = Vector(TensorRole::kQueryNorm, layer),
              k_norm = Vector(TensorRole::kKeyNorm, layer);
    Rows q, k, v;
    for (size_t t = 0; t < normed.size(); ++t) {
      const auto position = static_cast<int64_t>(t);
      q.push_back(Times(wq, normed[t]));
      k.push_back(Times(wk, normed[t]));
      v.push_back(global ? k.back() : Times(wv, normed[t]));
      if (!Is(Mistake::kNoValueNorm)) PrepareHeads(&v.back(), layer, position, nullptr, false);
      PrepareHeads(&q.back(), layer, position, &q_norm, true);
      if (global && Is(Mistake::kValueAfterKeyNorm)) {
        v.back() = k.back();
        PrepareHeads(&v.back(), layer, position, &k_norm, false);
      }
      if (round_to_bf16_ && global) {
        // The engine caches v and derives k from it; only k's rotated part is rounded again.
        RoundToBf16(&v.back());
        k.back() = v.back();
        ScaleAndRotateHeads(&k.back(), layer, position, k_norm);
      } else {
        PrepareHeads(&k.back(), layer, position, &k_norm, true);
        if (round_to_bf16_) {
          RoundToBf16(&k.back());
          RoundToBf16(&v.back());
        }
      }
      if (global && Is(Mistake::kValueAfterRope)) v.back() = k.back();
    }
    Rows out;
    for (size_t t = 0; t < normed.size(); ++t)
      out.push_back(Times(wo, AttendOne(layer, static_cast<int64_t>(t), q[t], k, v)));
    return out;
  }

  Row AttendOne(int64_t layer, int64_t position, const Row& q, const Rows& k, const Rows& v) const {
    const int64_t dim = c_.head_dim(layer), group = c_.num_heads / c_.num_kv_heads(layer);
    int64_t first = 0;
    if (!c_.layer_is_global[static_cast<size_t>(layer)]) {
      const int64_t window = c_.sliding_window + (Is(Mistake::kWindowLonger) ? 1 : 0) -
                             (Is(Mistake::kWindowShorter) ? 1 : 0);
      first = std::max<int64_t>(0, position - window + 1);
    }
    Row out(q.size(), 0.0);
    for (int64_t head = 0; head < c_.num_heads; ++head) {
      const int64_t kv_at = head / group * dim;
      Row scores;
      for (int64_t j = first; j <= position; ++j) {
        double score = 0;
        for (int64_t i = 0; i < dim; ++i)
          score += q[static_cast<size_t>(head * dim + i)] *
                   k[static_cast<size_t>(j)][static_cast<size_t>(kv_at + i)];
        scores.push_back(Is(Mistake::kScaledAttention) ? score / std::sqrt(static_cast<double>(dim))
                                                       : score);
      }
      const double highest = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      for (double& score : scores) total += score = std::exp(score - highest);
      for (int64_t j = first; j <= position; ++j) {
        for (int64_t i = 0; i < dim; ++i) {
          out[static_cast<size_t>(head * dim + i)] +=
              scores[static_cast<size_t>(j - first)] / total *
              v[static_cast<size_t>(j)][static_cast<size_t>(kv_at + i)];
        }
      }
    }
    return out;
  }

  // The chosen experts of one row, best first, and their weights.
  std::vector<std::pair<int32_t, double>> Gate(int64_t layer, const Row& x1,
                                               const Row& expert_input) const {
    const Row scale = Vector(TensorRole::kGateScale, layer),
              per_expert = Vector(TensorRole::kPerExpertScale, layer);
    Row z = Is(Mistake::kGateOnExpertInput) ? expert_input : Norm(x1, nullptr);
    const double root =
        Is(Mistake::kGateWithoutRootDim) ? 1.0 : 1.0 / std::sqrt(static_cast<double>(c_.model_dim));
    for (size_t i = 0; i < z.size(); ++i) z[i] *= scale[i] * root;
    Matrix gate = Read(TensorRole::kGate, layer);
    gate.dtype = DType::kF32;  // the engine widens it, whatever the file's format
    Row p = Times(gate, z);
    const double highest = *std::max_element(p.begin(), p.end());
    double all = 0;
    for (double& v : p) all += v = std::exp(v - highest);
    std::vector<std::pair<int32_t, double>> chosen;
    chosen.reserve(p.size());
    for (int32_t e = 0; e < c_.num_experts; ++e)
      chosen.emplace_back(e, p[static_cast<size_t>(e)] / all);
    std::stable_sort(chosen.begin(), chosen.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    chosen.resize(static_cast<size_t>(c_.experts_per_token));
    double mass = 0;
    for (const auto& [e, weight] : chosen) mass += weight;
    for (auto& [e, weight] : chosen) {
      if (!Is(Mistake::kNoTopKRenormalisation)) weight /= mass;
      if (!Is(Mistake::kNoPerExpertScale)) weight *= per_expert[static_cast<size_t>(e)];
    }
    return chosen;
  }

  Row Experts(int64_t layer, const std::vector<std::pair<int32_t, double>>& chosen,
              const Row& input) const {
    Row sum(input.size(), 0.0);
    for (const auto& [e, weight] : chosen) {
      const Matrix both = Read(TensorRole::kExpertGateUp, layer, e);
      const auto half = static_cast<std::ptrdiff_t>(both.values.size() / 2);
      Matrix gate{both.num_cols, Row(both.values.begin(), both.values.begin() + half), both.dtype},
          up{both.num_cols, Row(both.values.begin() + half, both.values.end()), both.dtype};
      if (Is(Mistake::kGateUpSwapped)) std::swap(gate, up);
      Row y = Ffn(gate, up, Read(TensorRole::kExpertDown, layer, e), input);
      if (round_to_bf16_) RoundToBf16(&y);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += weight * y[i];
    }
    return sum;
  }

  void Layer(int64_t layer, Rows* x, ReferenceOutput* out) const {
    const Row input_norm = Vector(TensorRole::kInputNorm, layer),
              post_attention = Vector(TensorRole::kPostAttentionNorm, layer);
    const Row pre_dense = Vector(TensorRole::kPreDenseNorm, layer),
              pre_expert = Vector(TensorRole::kPreExpertNorm, layer),
              post = Vector(TensorRole::kPostNorm, layer);
    Row post_dense = Vector(TensorRole::kPostDenseNorm, layer),
        post_expert = Vector(TensorRole::kPostExpertNorm, layer);
    if (Is(Mistake::kPostNormsSwapped)) std::swap(post_dense, post_expert);
    const Matrix gate = Read(TensorRole::kDenseGate, layer), up = Read(TensorRole::kDenseUp, layer),
                 down = Read(TensorRole::kDenseDown, layer);
    const double scalar =
        Is(Mistake::kNoLayerScalar) ? 1.0 : Vector(TensorRole::kLayerScalar, layer).front();
    Rows normed;
    for (const Row& row : *x) normed.push_back(Norm(row, &input_norm));
    const Rows attended = Attention(layer, normed);
    out->experts.emplace_back();
    out->weights.emplace_back();
    for (size_t t = 0; t < x->size(); ++t) {
      Row& row = (*x)[t];
      const Row a = Norm(attended[t], &post_attention);
      for (size_t i = 0; i < row.size(); ++i) row[i] += a[i];
      const Row expert_input =
          Norm(row, Is(Mistake::kExpertsThroughDenseNorm) ? &pre_dense : &pre_expert);
      const auto chosen = Gate(layer, row, expert_input);
      for (const auto& [e, weight] : chosen) {
        out->experts.back().push_back(e);
        out->weights.back().push_back(weight);
      }
      Row d = Norm(Ffn(gate, up, down, Norm(row, &pre_dense)), &post_dense);
      const Row m = Norm(Experts(layer, chosen, expert_input), &post_expert);
      for (size_t i = 0; i < d.size(); ++i) d[i] += m[i];
      const Row y = Norm(d, &post);
      for (size_t i = 0; i < row.size(); ++i)
        row[i] =
            Is(Mistake::kLayerScalarOnBranch) ? row[i] + y[i] * scalar : (row[i] + y[i]) * scalar;
    }
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& c_;
  const Mistake mistake_;
  const bool round_;
  const bool round_to_bf16_;  // experts' outputs, keys and values
};

}  // namespace

const char* ReferenceMistakeName(ReferenceMistake mistake) {
  static constexpr const char* kNames[kNumReferenceMistakes] = {"none",
                                                                "window longer",
                                                                "window shorter",
                                                                "value after key norm",
                                                                "value after rope",
                                                                "no value norm",
                                                                "1 + weight norms",
                                                                "scaled attention",
                                                                "rope denominator",
                                                                "rope contiguous",
                                                                "full rotation",
                                                                "interleaved pairs",
                                                                "erf gelu",
                                                                "gate on expert input",
                                                                "gate without root dim",
                                                                "no per-expert scale",
                                                                "gate and up swapped",
                                                                "post norms swapped",
                                                                "experts through dense norm",
                                                                "layer scalar on branch",
                                                                "no layer scalar",
                                                                "silu",
                                                                "no embedding scale",
                                                                "no soft cap",
                                                                "no top-k renormalisation"};
  return kNames[static_cast<int>(mistake)];
}

ReferenceOutput RunReference(const Checkpoint& checkpoint, std::span<const int32_t> tokens,
                             ReferenceOptions options) {
  return Reference(checkpoint, options).Run(tokens);
}

}  // namespace coterie
