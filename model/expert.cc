#include "model/expert.h"

#include <algorithm>

#include "kernels/check.h"

namespace coterie {
namespace {

// Rows that one task takes: enough work to be worth the hand-over.
constexpr int64_t kRowsPerTask = 8;

// Calls body(begin, end) over all rows, on the pool where there are many.
template <typename Body>
void ForRows(int64_t num_rows, Parallel& pool, Body body) {
  const int64_t num_tasks = (num_rows + kRowsPerTask - 1) / kRowsPerTask;
  pool.For(num_tasks, [&](int64_t task) {
    body(task * kRowsPerTask, std::min(num_rows, (task + 1) * kRowsPerTask));
  });
}

}  // namespace

RowFormat ExpertOutputFormat(DType expert_weights) {
  return expert_weights == DType::kF32 ? RowFormat::kF32 : RowFormat::kBF16;
}

void ExpertRunner::Run(std::span<const ExpertJob> jobs) {
  if (jobs.empty()) return;
  const ExpertWeights& first = *jobs.front().weights;
  const int64_t dim = first.down.num_outputs(), hidden_dim = first.down.num_inputs();
  outputs_.clear();
  for (const ExpertJob& job : jobs) {
    CHECK_EQ(job.rows.size(), job.outputs.size());
    outputs_.insert(outputs_.end(), job.outputs.begin(), job.outputs.end());
  }
  const auto num_rows = static_cast<int64_t>(outputs_.size());
  gate_up_.Reserve(static_cast<size_t>(num_rows * 2 * hidden_dim) * sizeof(float));
  hidden_.Reserve(static_cast<size_t>(num_rows * hidden_dim) * sizeof(float));
  down_.Reserve(static_cast<size_t>(num_rows * dim) * sizeof(float));
  const Tensor gate_up(gate_up_.as<float>(), {num_rows, 2 * hidden_dim});
  const Tensor hidden(hidden_.as<float>(), {num_rows, hidden_dim});
  const Tensor down(down_.as<float>(), {num_rows, dim});

  products_.clear();
  int64_t row = 0;
  for (const ExpertJob& job : jobs) {
    products_.push_back({&job.weights->gate_up, job.rows, gate_up.row(row), gate_up.row_size()});
    row += static_cast<int64_t>(job.rows.size());
  }
  MatMulGroup(products_, *pool_);

  const RowFormat hidden_format = first.down.row_format();
  encoded_.Resize(hidden_format, num_rows, hidden_dim);
  ForRows(num_rows, *pool_, [&](int64_t begin, int64_t end) {
    GatedGelu(gate_up.Rows(begin, end - begin), hidden.Rows(begin, end - begin));
    for (int64_t r = begin; r < end; ++r) encoded_.EncodeInto(r, hidden.row(r));
  });

  hidden_rows_.resize(static_cast<size_t>(num_rows));
  for (int64_t r = 0; r < num_rows; ++r) hidden_rows_[static_cast<size_t>(r)] = encoded_.row(r);
  products_.clear();
  row = 0;
  for (const ExpertJob& job : jobs) {
    products_.push_back({&job.weights->down,
                         {hidden_rows_.data() + row, job.rows.size()},
                         down.row(row),
                         down.row_size()});
    row += static_cast<int64_t>(job.rows.size());
  }
  MatMulGroup(products_, *pool_);

  const RowFormat output_format = ExpertOutputFormat(first.down.format());
  ForRows(num_rows, *pool_, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      EncodeRow(output_format, down.row(r), dim, outputs_[static_cast<size_t>(r)]);
  });
}

}  // namespace coterie
