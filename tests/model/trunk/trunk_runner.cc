#include "tests/model/trunk/trunk_runner.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/check.h"

namespace coterie {
namespace {

template <typename T>
T ValueOf(absl::StatusOr<T> result) {
  CHECK(result.ok()) << result.status().ToString();
  return *std::move(result);
}

}  // namespace

TrunkRunner::TrunkRunner(const std::string& model, KvType kv_type, int num_threads)
    : pool_(num_threads),
      checkpoint_(ValueOf(Checkpoint::Open(model))),
      kv_type_(kv_type),
      weights_(ValueOf(LoadTrunk(*checkpoint_, {}, pool_))),
      runner_(&pool_) {
  for (int64_t layer = 0; layer < config().num_layers; ++layer) {
    std::vector<ExpertWeights>& experts = experts_.emplace_back();
    for (int64_t expert = 0; expert < config().num_experts; ++expert)
      experts.push_back(ValueOf(LoadExpert(*checkpoint_, layer, expert, {}, pool_)));
  }
  const RowFormat rows = experts_[0][0].gate_up.row_format();
  trunk_ = std::make_unique<Trunk>(
      &config(), &weights_,
      Trunk::Options{.max_rows = 512, .kv_type = kv_type, .expert_rows = rows}, &pool_);
}

void TrunkRunner::Grow(Sequence* sequence, int64_t num_tokens) const {
  sequence->blocks.resize(static_cast<size_t>(config().num_layers));
  sequence->pointers.resize(sequence->blocks.size());
  for (size_t layer = 0; layer < sequence->blocks.size(); ++layer) {
    const KvShape shape = Trunk::KvShapeOf(config(), static_cast<int64_t>(layer), kv_type_);
    std::vector<Buffer>& blocks = sequence->blocks[layer];
    while (static_cast<int64_t>(blocks.size()) * kKvBlockTokens < num_tokens) {
      blocks.emplace_back(static_cast<size_t>(shape.block_bytes()));
      sequence->pointers[layer].push_back(blocks.back().data());
    }
  }
}

KvView TrunkRunner::ViewAt(const Sequence& sequence, int64_t layer, int64_t position) const {
  const auto at = static_cast<size_t>(layer);
  const int64_t oldest =
      config().layer_is_global[at]
          ? 0
          : std::max<int64_t>(0, position - config().sliding_window + 1) / kKvBlockTokens;
  return {sequence.pointers[at].data() + oldest, oldest};
}

void TrunkRunner::RunExperts(int64_t layer, Buffer* rows) {
  const std::vector<ExpertWeights>& experts = experts_[static_cast<size_t>(layer)];
  const Routing routing = trunk_->routing();
  const RowFormat format = ExpertOutputFormat(experts[0].down.format());
  const int64_t dim = config().model_dim, row_bytes = EncodedRowBytes(format, dim);
  const auto num_pairs = static_cast<int64_t>(routing.experts.size());
  Buffer encoded(static_cast<size_t>(num_pairs * row_bytes));
  std::vector<std::vector<const std::byte*>> inputs(experts.size());
  std::vector<std::vector<std::byte*>> outputs(experts.size());
  for (int64_t pair = 0; pair < num_pairs; ++pair) {
    const auto expert = static_cast<size_t>(routing.experts[static_cast<size_t>(pair)]);
    inputs[expert].push_back(trunk_->expert_input().row(pair / config().experts_per_token));
    outputs[expert].push_back(encoded.data() + pair * row_bytes);
  }
  std::vector<ExpertJob> jobs;
  for (size_t expert = 0; expert < experts.size(); ++expert) {
    if (!inputs[expert].empty())
      jobs.push_back({&experts[expert], inputs[expert], outputs[expert]});
  }
  runner_.Run(jobs);
  rows->Reserve(static_cast<size_t>(num_pairs * dim) * sizeof(float));
  for (int64_t pair = 0; pair < num_pairs; ++pair)
    DecodeRow(format, encoded.data() + pair * row_bytes, dim, rows->as<float>() + pair * dim);
}

std::vector<float> TrunkRunner::Run(std::span<const Part> parts, const OnGate& on_gate) {
  std::vector<int32_t> tokens;
  std::vector<int64_t> positions;
  std::vector<KvView> views;
  for (const Part& part : parts) {
    Grow(part.sequence, part.end);
    for (int64_t position = part.begin; position < part.end; ++position) {
      tokens.push_back(part.tokens[static_cast<size_t>(position)]);
      positions.push_back(position);
    }
  }
  for (int64_t layer = 0; layer < config().num_layers; ++layer) {
    for (const Part& part : parts) {
      for (int64_t position = part.begin; position < part.end; ++position)
        views.push_back(ViewAt(*part.sequence, layer, position));
    }
  }
  const auto num_rows = static_cast<int64_t>(tokens.size());
  trunk_->Begin({.tokens = tokens, .positions = positions, .views = views});
  Buffer expert_rows;
  for (int64_t layer = 0; layer < config().num_layers; ++layer) {
    trunk_->Attend(layer);
    trunk_->Gate(layer);
    if (on_gate) on_gate(layer, *trunk_);
    RunExperts(layer, &expert_rows);
    trunk_->DenseMlp(layer);
    trunk_->Combine(layer, Tensor(expert_rows.as<float>(),
                                  {num_rows * config().experts_per_token, config().model_dim}));
  }
  std::vector<int64_t> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> logits(static_cast<size_t>(num_rows * config().vocab_size));
  trunk_->Logits(rows, Tensor(logits.data(), {num_rows, config().vocab_size}));
  return logits;
}

Routing TrunkRunner::Gate(int64_t layer, std::span<const float> rows) {
  const size_t count = rows.size() / static_cast<size_t>(config().model_dim);
  const std::vector<int32_t> tokens(count);
  const std::vector<int64_t> positions(count);
  const std::vector<KvView> views(count * static_cast<size_t>(config().num_layers));
  trunk_->Begin({.tokens = tokens, .positions = positions, .views = views});
  std::copy(rows.begin(), rows.end(), trunk_->residual().data());
  trunk_->Gate(layer);
  return trunk_->routing();
}

std::vector<float> TrunkRunner::Prompt(std::span<const int32_t> tokens, int64_t chunk) {
  Sequence sequence;
  std::vector<float> all;
  const auto count = static_cast<int64_t>(tokens.size());
  for (int64_t begin = 0; begin < count; begin += chunk) {
    const Part part{&sequence, tokens, begin, std::min(count, begin + chunk)};
    const std::vector<float> logits = Run({&part, 1});
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

}  // namespace coterie
