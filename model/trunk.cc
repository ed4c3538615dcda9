#include "model/trunk.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "model/global_keys.h"

namespace coterie {
namespace {

constexpr int64_t kRowsPerTask = 8;

size_t Floats(int64_t count) { return static_cast<size_t>(count) * sizeof(float); }

}  // namespace

Trunk::Trunk(const ModelConfig* config, const TrunkWeights* weights, Options options,
             Parallel* pool)
    : config_(config), weights_(weights), options_(options), pool_(pool) {
  CHECK_GE(options_.max_rows, 1);
  int64_t q_dim = 0, kv_dim = 0;
  for (int64_t layer = 0; layer < config_->num_layers; ++layer) {
    q_dim = std::max(q_dim, config_->q_dim(layer));
    kv_dim = std::max(kv_dim, config_->kv_dim(layer));
    (config_->layer_is_global[static_cast<size_t>(layer)] ? some_global_ : some_sliding_) = layer;
  }
  const int64_t rows = options_.max_rows, dim = config_->model_dim;
  for (Buffer* buffer : {&x_, &normed_, &branch_, &dense_}) *buffer = Buffer(Floats(rows * dim));
  for (Buffer* buffer : {&query_, &value_query_, &attended_, &compact_})
    *buffer = Buffer(Floats(rows * q_dim));
  for (Buffer* buffer : {&key_, &value_}) *buffer = Buffer(Floats(rows * kv_dim));
  gate_up_ = Buffer(Floats(rows * 2 * config_->dense_dim));
  hidden_ = Buffer(Floats(rows * config_->dense_dim));
  gate_logits_ = Buffer(Floats(rows * config_->num_experts));
  if (some_sliding_ != kNoLayer)
    inverse_frequency_sliding_ = config_->InverseFrequencies(some_sliding_);
  if (some_global_ != kNoLayer)
    inverse_frequency_global_ = config_->InverseFrequencies(some_global_);
  for (Buffer* buffer : {&cos_sliding_, &sin_sliding_})
    *buffer = Buffer(Floats(rows * static_cast<int64_t>(inverse_frequency_sliding_.size())));
  for (Buffer* buffer : {&cos_global_, &sin_global_})
    *buffer = Buffer(Floats(rows * static_cast<int64_t>(inverse_frequency_global_.size())));
  experts_.resize(static_cast<size_t>(rows * config_->experts_per_token));
  expert_weights_.resize(experts_.size());
}

KvShape Trunk::KvShapeOf(const ModelConfig& config, int64_t layer, KvType type) {
  const bool global = config.layer_is_global[static_cast<size_t>(layer)];
  return {.type = type,
          .num_kv_heads = config.num_kv_heads(layer),
          .key_dim = global ? 2 * config.num_rope_pairs(layer) : config.head_dim(layer),
          .value_dim = config.head_dim(layer)};
}

Tensor Trunk::View(const Buffer& buffer, int64_t num_cols) const {
  CHECK_LE(Floats(num_rows() * num_cols), buffer.size_bytes());
  return Tensor(buffer.as<float>(), {num_rows(), num_cols});
}

Tensor Trunk::residual() const { return View(x_, config_->model_dim); }

Routing Trunk::routing() const {
  const auto num_pairs = static_cast<size_t>(num_rows() * config_->experts_per_token);
  return {{experts_.data(), num_pairs}, {expert_weights_.data(), num_pairs}};
}

template <typename Body>
void Trunk::ForRows(Body body) {
  const int64_t rows = num_rows();
  pool_->For((rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    body(task * kRowsPerTask, std::min(rows, (task + 1) * kRowsPerTask));
  });
}

void Trunk::Encode(RowFormat format, const Tensor& x, EncodedRows* out) {
  out->Resize(format, x.num_rows(), x.dim(1));
  ForRows([&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) out->EncodeInto(row, x.row(row));
  });
}

void Trunk::Project(const EncodedRows& x, std::initializer_list<const PackedMatrix*> weights,
                    std::initializer_list<Tensor> outs) {
  row_pointers_.resize(static_cast<size_t>(x.num_rows()));
  for (int64_t row = 0; row < x.num_rows(); ++row)
    row_pointers_[static_cast<size_t>(row)] = x.row(row);
  products_.clear();
  auto out = outs.begin();
  for (const PackedMatrix* weight : weights) {
    CHECK(weight->row_format() == x.format() && weight->num_inputs() == x.num_cols() &&
          weight->num_outputs() == out->dim(1));
    products_.push_back({weight, row_pointers_, out->data(), out->row_size()});
    ++out;
  }
  MatMulGroup(products_, *pool_);
}

void Trunk::Begin(const TrunkBatch& batch) {
  CHECK(batch.tokens.size() == batch.positions.size() &&
        batch.views.size() == batch.tokens.size() * static_cast<size_t>(config_->num_layers));
  CHECK_LE(static_cast<int64_t>(batch.tokens.size()), options_.max_rows);
  batch_ = batch;
  const Tensor x = residual();
  for (int64_t row = 0; row < num_rows(); ++row)
    weights_->embedding.UnpackRow(batch.tokens[static_cast<size_t>(row)], x.row(row));
  Scale(x, {}, config_->EmbeddingScale(), x);
  const auto sliding_pairs = static_cast<int64_t>(inverse_frequency_sliding_.size()),
             global_pairs = static_cast<int64_t>(inverse_frequency_global_.size());
  if (sliding_pairs > 0)
    RopeAngles(batch.positions, inverse_frequency_sliding_, View(cos_sliding_, sliding_pairs),
               View(sin_sliding_, sliding_pairs));
  if (global_pairs > 0)
    RopeAngles(batch.positions, inverse_frequency_global_, View(cos_global_, global_pairs),
               View(sin_global_, global_pairs));
}

// Sliding layers: q and k normed and rotated, v normed without weight; the cache holds k and v.
void Trunk::StoreSliding(int64_t layer, int64_t row) {
  const LayerWeights& w = weights_->layers[static_cast<size_t>(layer)];
  const int64_t head_dim = config_->head_dim(layer), pairs = config_->num_rope_pairs(layer);
  const Tensor query = View(query_, config_->q_dim(layer)).Rows(row, 1);
  const Tensor key = View(key_, config_->kv_dim(layer)).Rows(row, 1),
               value = View(value_, config_->kv_dim(layer)).Rows(row, 1);
  const Tensor cos = View(cos_sliding_, pairs).Rows(row, 1),
               sin = View(sin_sliding_, pairs).Rows(row, 1);
  RmsNormHeads(query, head_dim, w.query_norm, config_->norm_eps, query);
  Rope(query, head_dim, cos, sin);
  RmsNormHeads(key, head_dim, w.key_norm, config_->norm_eps, key);
  Rope(key, head_dim, cos, sin);
  RmsNormHeads(value, head_dim, {}, config_->norm_eps, value);
  const auto at = static_cast<size_t>(row);
  StoreKv(KvShapeOf(*config_, layer, options_.kv_type),
          batch_.views[static_cast<size_t>(layer * num_rows()) + at], batch_.positions[at],
          key.data(), value.data());
}

// Global layers: v is the raw key normed without weight, rounded to what the cache holds; k =
// rope(v ⊙ key_norm) comes from that rounded v, on a hit as on a miss, and only its rotated dims
// are cached. In the others k is v ⊙ key_norm, so key_norm is folded into the query and the score
// continues over v.
void Trunk::StoreGlobal(int64_t layer, int64_t row) {
  const LayerWeights& w = weights_->layers[static_cast<size_t>(layer)];
  const int64_t head_dim = config_->head_dim(layer), half = head_dim / 2,
                pairs = config_->num_rope_pairs(layer);
  const Tensor query = View(query_, config_->q_dim(layer)).Rows(row, 1),
               value_query = View(value_query_, config_->q_dim(layer)).Rows(row, 1);
  const Tensor key = View(key_, config_->kv_dim(layer)).Rows(row, 1),
               value = View(value_, config_->kv_dim(layer)).Rows(row, 1);
  const Tensor cos = View(cos_global_, pairs).Rows(row, 1),
               sin = View(sin_global_, pairs).Rows(row, 1);
  RmsNormHeads(query, head_dim, w.query_norm, config_->norm_eps, query);
  for (int64_t head = 0; head < config_->num_heads; ++head) {
    float* folded = value_query.data() + head * head_dim;
    const Tensor q(query.data() + head * head_dim, {1, head_dim});
    Scale(q, w.key_norm, 1.0f, Tensor(folded, {1, head_dim}));
    std::fill_n(folded, pairs, 0.0f);
    std::fill_n(folded + half, pairs, 0.0f);
  }
  Rope(query, head_dim, cos, sin);
  const Tensor compact = View(compact_, config_->num_heads * 2 * pairs).Rows(row, 1);
  for (int64_t head = 0; head < config_->num_heads; ++head)
    CompactRotated(query.data() + head * head_dim, half, pairs, compact.data() + head * 2 * pairs);

  RmsNormHeads(key, head_dim, {}, config_->norm_eps, value);
  RoundToKv(options_.kv_type, value.data(), value.dim(1));
  for (int64_t head = 0; head < config_->num_kv_heads(layer); ++head) {
    // Keys move towards the front: earlier heads are done.
    GlobalKey(Tensor(value.data() + head * head_dim, {1, head_dim}), w.key_norm, cos, sin,
              Tensor(key.data() + head * head_dim, {1, head_dim}), key.data() + head * 2 * pairs);
  }
  const auto at = static_cast<size_t>(row);
  StoreKv(KvShapeOf(*config_, layer, options_.kv_type),
          batch_.views[static_cast<size_t>(layer * num_rows()) + at], batch_.positions[at],
          key.data(), value.data());
}

void Trunk::Attend(int64_t layer) {
  const LayerWeights& w = weights_->layers[static_cast<size_t>(layer)];
  const bool global = config_->layer_is_global[static_cast<size_t>(layer)];
  const int64_t dim = config_->model_dim, q_dim = config_->q_dim(layer),
                kv_dim = config_->kv_dim(layer);
  const Tensor x = residual(), normed = View(normed_, dim), branch = View(branch_, dim);
  const Tensor query = View(query_, q_dim), key = View(key_, kv_dim), value = View(value_, kv_dim),
               attended = View(attended_, q_dim);

  ForRows([&](int64_t begin, int64_t end) {
    RmsNorm(x.Rows(begin, end - begin), w.input_norm, config_->norm_eps,
            normed.Rows(begin, end - begin));
  });
  Encode(w.query.row_format(), normed, &encoded_);
  if (w.key.row_format() == w.query.row_format() &&
      (global || w.value.row_format() == w.query.row_format())) {
    if (global) {
      Project(encoded_, {&w.query, &w.key}, {query, key});
    } else {
      Project(encoded_, {&w.query, &w.key, &w.value}, {query, key, value});
    }
  } else {
    Project(encoded_, {&w.query}, {query});
    Encode(w.key.row_format(), normed, &encoded_);
    Project(encoded_, {&w.key}, {key});
    if (!global) {
      Encode(w.value.row_format(), normed, &encoded_);
      Project(encoded_, {&w.value}, {value});
    }
  }
  ForRows([&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      global ? StoreGlobal(layer, row) : StoreSliding(layer, row);
  });
  Attention(
      {
          .shape = KvShapeOf(*config_, layer, options_.kv_type),
          .num_heads = config_->num_heads,
          .window = global ? 0 : config_->sliding_window,
          .query = global ? View(compact_, config_->num_heads * 2 * config_->num_rope_pairs(layer))
                          : query,
          .value_query = global ? View(value_query_, q_dim) : Tensor(),
          .positions = batch_.positions,
          .views = batch_.views.subspan(static_cast<size_t>(layer * num_rows()),
                                        static_cast<size_t>(num_rows())),
          .out = attended,
      },
      *pool_);
  Encode(w.output.row_format(), attended, &encoded_);
  Project(encoded_, {&w.output}, {branch});
  ForRows([&](int64_t begin, int64_t end) {
    const int64_t n = end - begin;
    RmsNorm(branch.Rows(begin, n), w.post_attention_norm, config_->norm_eps, branch.Rows(begin, n));
    Add(x.Rows(begin, n), branch.Rows(begin, n), x.Rows(begin, n));
  });
}

void Trunk::Gate(int64_t layer) {
  const LayerWeights& w = weights_->layers[static_cast<size_t>(layer)];
  const Tensor x = residual(), normed = View(normed_, config_->model_dim),
               logits = View(gate_logits_, config_->num_experts);
  ForRows([&](int64_t begin, int64_t end) {
    const int64_t n = end - begin;
    RmsNorm(x.Rows(begin, n), {}, config_->norm_eps, normed.Rows(begin, n));
    Scale(normed.Rows(begin, n), w.gate_scale, 1.0f, normed.Rows(begin, n));
  });
  Encode(RowFormat::kF32, normed, &encoded_);
  Project(encoded_, {&w.gate}, {logits});
  const auto num_pairs = static_cast<size_t>(num_rows() * config_->experts_per_token);
  GateTopK(logits, w.per_expert_scale, config_->experts_per_token, {experts_.data(), num_pairs},
           {expert_weights_.data(), num_pairs});
  ForRows([&](int64_t begin, int64_t end) {
    RmsNorm(x.Rows(begin, end - begin), w.pre_expert_norm, config_->norm_eps,
            normed.Rows(begin, end - begin));
  });
  Encode(options_.expert_rows, normed, &expert_input_);
}

void Trunk::DenseMlp(int64_t layer) {
  const LayerWeights& w = weights_->layers[static_cast<size_t>(layer)];
  const Tensor x = residual(), normed = View(normed_, config_->model_dim),
               dense = View(dense_, config_->model_dim);
  const Tensor gate_up = View(gate_up_, 2 * config_->dense_dim),
               hidden = View(hidden_, config_->dense_dim);
  ForRows([&](int64_t begin, int64_t end) {
    RmsNorm(x.Rows(begin, end - begin), w.pre_dense_norm, config_->norm_eps,
            normed.Rows(begin, end - begin));
  });
  Encode(w.dense_gate_up.row_format(), normed, &encoded_);
  Project(encoded_, {&w.dense_gate_up}, {gate_up});
  ForRows([&](int64_t begin, int64_t end) {
    GatedGelu(gate_up.Rows(begin, end - begin), hidden.Rows(begin, end - begin));
  });
  Encode(w.dense_down.row_format(), hidden, &encoded_);
  Project(encoded_, {&w.dense_down}, {dense});
}

void Trunk::Combine(int64_t layer, const Tensor& rows) {
  const LayerWeights& w = weights_->layers[static_cast<size_t>(layer)];
  const int64_t dim = config_->model_dim, top_k = config_->experts_per_token;
  const Tensor x = residual(), dense = View(dense_, dim), branch = View(branch_, dim);
  CHECK(rows.num_rows() == num_rows() * top_k && rows.dim(1) == dim) << rows.DebugShape();
  ForRows([&](int64_t begin, int64_t end) {
    const int64_t n = end - begin;
    const Tensor d = dense.Rows(begin, n), m = branch.Rows(begin, n);
    CombineExperts(rows.Rows(begin * top_k, n * top_k),
                   {expert_weights_.data() + begin * top_k, static_cast<size_t>(n * top_k)}, top_k,
                   m);
    RmsNorm(d, w.post_dense_norm, config_->norm_eps, d);
    RmsNorm(m, w.post_expert_norm, config_->norm_eps, m);
    Add(d, m, m);
    RmsNorm(m, w.post_norm, config_->norm_eps, m);
    AddScaled(x.Rows(begin, n), m, w.layer_scalar, x.Rows(begin, n));
  });
}

void Trunk::Logits(std::span<const int64_t> rows, const Tensor& out) {
  const int64_t dim = config_->model_dim;
  const auto count = static_cast<int64_t>(rows.size());
  CHECK(out.num_rows() == count && out.dim(1) == config_->vocab_size) << out.DebugShape();
  const Tensor x = residual();
  encoded_.Resize(weights_->embedding.row_format(), count, dim);
  for (int64_t i = 0; i < count; ++i) {
    const Tensor normed(normed_.as<float>() + i * dim, {1, dim});
    RmsNorm(x.Rows(rows[static_cast<size_t>(i)], 1), weights_->final_norm, config_->norm_eps,
            normed);
    encoded_.EncodeInto(i, normed.data());
  }
  MatMul(encoded_, weights_->embedding, out, *pool_);
  // A quarter of a million tanh a row are worth sharing.
  constexpr int64_t kLogitsPerTask = 16384;
  const int64_t tasks_per_row = (config_->vocab_size + kLogitsPerTask - 1) / kLogitsPerTask;
  pool_->For(count * tasks_per_row, [&](int64_t task) {
    const int64_t begin = task % tasks_per_row * kLogitsPerTask,
                  end = std::min(config_->vocab_size, begin + kLogitsPerTask);
    SoftCap(Tensor(out.row(task / tasks_per_row) + begin, {1, end - begin}),
            config_->logit_softcap);
  });
}

}  // namespace coterie
