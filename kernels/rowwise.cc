#include <cmath>

#include "kernels/cpu/bodies.h"
#include "kernels/kernels.h"

namespace coterie {
namespace {

const float* OrNull(std::span<const float> weight) {
  return weight.empty() ? nullptr : weight.data();
}

void CheckSameShape(const Tensor& a, const Tensor& b) {
  CHECK(a.num_rows() == b.num_rows() && a.dim(1) == b.dim(1))
      << a.DebugShape() << " vs " << b.DebugShape();
}

}  // namespace

void RmsNorm(const Tensor& x, std::span<const float> weight, float eps, const Tensor& out) {
  RmsNormHeads(x, x.dim(1), weight, eps, out);
}

void RmsNormHeads(const Tensor& x, int64_t head_dim, std::span<const float> weight, float eps,
                  const Tensor& out) {
  CheckSameShape(x, out);
  CHECK_EQ(x.dim(1) % head_dim, 0);
  CHECK(weight.empty() || static_cast<int64_t>(weight.size()) == head_dim)
      << weight.size() << " norm weights for " << head_dim;
  for (int64_t t = 0; t < x.num_rows(); ++t) {
    for (int64_t i = 0; i < x.dim(1); i += head_dim)
      Bodies().rms_norm(x.row(t) + i, OrNull(weight), eps, head_dim, out.row(t) + i);
  }
}

void GatedGelu(const Tensor& gate_up, const Tensor& out) {
  const int64_t size = out.dim(1);
  CHECK(gate_up.num_rows() == out.num_rows() && gate_up.dim(1) == 2 * size)
      << gate_up.DebugShape() << " to " << out.DebugShape();
  for (int64_t t = 0; t < out.num_rows(); ++t)
    Bodies().gated_gelu(gate_up.row(t), gate_up.row(t) + size, size, out.row(t));
}

void Rope(const Tensor& x, int64_t head_dim, const Tensor& cos, const Tensor& sin) {
  const int64_t num_pairs = cos.dim(1);
  CheckSameShape(cos, sin);
  CHECK(x.dim(1) % head_dim == 0 && num_pairs <= head_dim / 2 && cos.num_rows() == x.num_rows());
  for (int64_t t = 0; t < x.num_rows(); ++t) {
    for (int64_t i = 0; i < x.dim(1); i += head_dim)
      Bodies().rope(x.row(t) + i, head_dim / 2, num_pairs, cos.row(t), sin.row(t));
  }
}

// libm's double cos and sin differ between machines by at most an ulp of double: after rounding to
// f32 the same.
void RopeAngles(std::span<const int64_t> positions, std::span<const float> inverse_frequency,
                const Tensor& cos, const Tensor& sin) {
  CHECK(cos.dim(1) == static_cast<int64_t>(inverse_frequency.size()) &&
        cos.num_rows() == static_cast<int64_t>(positions.size()));
  CheckSameShape(cos, sin);
  for (size_t t = 0; t < positions.size(); ++t) {
    float* cos_row = cos.row(static_cast<int64_t>(t));
    float* sin_row = sin.row(static_cast<int64_t>(t));
    for (size_t i = 0; i < inverse_frequency.size(); ++i) {
      const float angle = static_cast<float>(positions[t]) * inverse_frequency[i];
      cos_row[i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sin_row[i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
}

void Add(const Tensor& a, const Tensor& b, const Tensor& out) { AddScaled(a, b, 1.0f, out); }

void AddScaled(const Tensor& a, const Tensor& b, float scale, const Tensor& out) {
  CheckSameShape(a, b);
  CheckSameShape(a, out);
  for (int64_t t = 0; t < a.num_rows(); ++t)
    Bodies().add_scaled(a.row(t), b.row(t), scale, a.dim(1), out.row(t));
}

void Scale(const Tensor& x, std::span<const float> weight, float scale, const Tensor& out) {
  CheckSameShape(x, out);
  CHECK(weight.empty() || static_cast<int64_t>(weight.size()) == x.dim(1));
  for (int64_t t = 0; t < x.num_rows(); ++t)
    Bodies().scale(x.row(t), OrNull(weight), scale, x.dim(1), out.row(t));
}

void CombineExperts(const Tensor& rows, std::span<const float> weights, int64_t top_k,
                    const Tensor& out) {
  CHECK(rows.num_rows() == out.num_rows() * top_k &&
        static_cast<int64_t>(weights.size()) == rows.num_rows() && rows.dim(1) == out.dim(1));
  for (int64_t t = 0; t < out.num_rows(); ++t) {
    float* sum = out.row(t);
    for (int64_t i = 0; i < out.dim(1); ++i) sum[i] = 0.0f;
    for (int64_t r = t * top_k; r < (t + 1) * top_k; ++r)
      Bodies().accumulate(rows.row(r), weights[static_cast<size_t>(r)], out.dim(1), sum);
  }
}

void SoftCap(const Tensor& x, float cap) {
  for (int64_t t = 0; t < x.num_rows(); ++t) Bodies().soft_cap(x.row(t), cap, x.dim(1));
}

}  // namespace coterie
