#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/cpu/bodies.h"
#include "kernels/kernels.h"

namespace coterie {
namespace {

// A slice of one job's panels: what one thread takes at a time.
struct Slice {
  int64_t job;
  int64_t panel_begin, panel_end;
};

// Everything one call prepares, kept by the calling thread so that a step allocates nothing once
// warm.
struct Workspace {
  struct JobStart {
    int64_t row = 0, derived_byte = 0;
  };
  std::vector<JobStart> starts;   // where each job's rows begin
  std::vector<PreparedRow> rows;  // all jobs' rows, one after the other
  std::vector<Slice> slices;
  Buffer derived;  // offsets of int8 rows, or f32 copies of bf16 rows
};

Workspace& ThreadWorkspace() {
  thread_local Workspace workspace;
  return workspace;
}

// How weights of a quantised format are stored: `offset` too large, so that they are unsigned, and
// scaled by groups.
struct StoredOffset {
  int64_t group;
  int32_t offset;
};

StoredOffset StoredOffsetOf(DType format) {
  switch (format) {
    case DType::kQ8_0:
      return {32, 128};
    case DType::kQ4_0:
      return {32, 8};
    case DType::kQ6_K:
      return {16, 32};
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      break;
  }
  return {32, 0};
}

int64_t DerivedBytes(RowFormat format, int64_t num_inputs) {
  switch (format) {
    case RowFormat::kF32:
      return 0;
    case RowFormat::kBF16:
      return num_inputs * 4;
    case RowFormat::kInt8:
      return (num_inputs / 16 * 4 + 63) / 64 * 64;
  }
  return 0;
}

void PrepareRow(const PackedMatrix& weights, const std::byte* source, std::byte* derived,
                PreparedRow* row) {
  row->values = source;
  if (weights.row_format() == RowFormat::kBF16) {
    Bodies().bf16_to_f32(reinterpret_cast<const uint16_t*>(source), weights.num_inputs(),
                         reinterpret_cast<float*>(derived));
    row->values = derived;
  } else if (weights.row_format() == RowFormat::kInt8) {
    const StoredOffset stored = StoredOffsetOf(weights.format());
    Bodies().int8_offsets(reinterpret_cast<const int8_t*>(source), weights.num_inputs(),
                          stored.group, stored.offset, reinterpret_cast<int32_t*>(derived));
    row->offsets = reinterpret_cast<const int32_t*>(derived);
  }
}

void PrepareRows(std::span<const MatMulJob> jobs, Workspace* w, Parallel& pool) {
  w->starts.clear();
  int64_t num_rows = 0, derived_bytes = 0;
  for (const MatMulJob& job : jobs) {
    w->starts.push_back({num_rows, derived_bytes});
    num_rows += static_cast<int64_t>(job.rows.size());
    derived_bytes += static_cast<int64_t>(job.rows.size()) *
                     DerivedBytes(job.weights->row_format(), job.weights->num_inputs());
  }
  w->rows.assign(static_cast<size_t>(num_rows), {});
  w->derived.Reserve(static_cast<size_t>(derived_bytes));
  // Rows [begin, end) of all jobs' rows.
  const auto prepare = [&](int64_t begin, int64_t end) {
    auto start = std::upper_bound(
        w->starts.begin(), w->starts.end(), begin,
        [](int64_t row, const Workspace::JobStart& next) { return row < next.row; });
    for (size_t j = static_cast<size_t>(start - w->starts.begin()) - 1; begin < end; ++j) {
      const MatMulJob& job = jobs[j];
      const int64_t bytes = DerivedBytes(job.weights->row_format(), job.weights->num_inputs()),
                    first = w->starts[j].row,
                    last = std::min(end, first + static_cast<int64_t>(job.rows.size()));
      for (; begin < last; ++begin) {
        const int64_t r = begin - first;
        PreparedRow& row = w->rows[static_cast<size_t>(begin)];
        PrepareRow(*job.weights, job.rows[static_cast<size_t>(r)],
                   w->derived.data() + w->starts[j].derived_byte + r * bytes, &row);
        row.out = job.out + r * job.out_stride;
      }
    }
  };
  // A few rows are not worth waking the pool for.
  constexpr int64_t kRowsPerTask = 32;
  if (num_rows < 2 * kRowsPerTask) return prepare(0, num_rows);
  pool.For((num_rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    prepare(task * kRowsPerTask, std::min(num_rows, (task + 1) * kRowsPerTask));
  });
}

// Cuts the jobs into slices of about equal work: enough of them that threads end together, large
// enough that taking one costs nothing beside it. Not large ones first: where other processes share
// the cores, a thread that is set aside with a large slice keeps all others waiting.
void CutSlices(std::span<const MatMulJob> jobs, int num_threads, std::vector<Slice>* slices) {
  slices->clear();
  // A row costs about what streaming the panel once from memory does, divided by four.
  const auto panel_cost = [](const MatMulJob& job) {
    return job.weights->panel_bytes() * (4 + static_cast<int64_t>(job.rows.size())) / 4;
  };
  int64_t total = 0;
  for (const MatMulJob& job : jobs)
    total += job.rows.empty() ? 0 : job.weights->num_panels() * panel_cost(job);
  const int64_t target = std::max<int64_t>(total / (int64_t{num_threads} * 24), 32 << 10);
  for (int64_t j = 0; j < static_cast<int64_t>(jobs.size()); ++j) {
    const MatMulJob& job = jobs[static_cast<size_t>(j)];
    if (job.rows.empty()) continue;
    const int64_t step = std::max<int64_t>(1, target / panel_cost(job));
    // A single row runs up to eight panels at once.
    const int64_t rounded = step >= 8 ? step / 8 * 8 : step;
    for (int64_t panel = 0; panel < job.weights->num_panels(); panel += rounded) {
      slices->push_back({j, panel, std::min(panel + rounded, job.weights->num_panels())});
    }
  }
}

void RunProduct(DType format, const PanelProduct& product) {
  const KernelBodies& bodies = Bodies();
  switch (format) {
    case DType::kF32:
      return bodies.product_f32(product);
    case DType::kF16:
      return bodies.product_f16(product);
    case DType::kBF16:
      return bodies.product_bf16(product);
    case DType::kQ8_0:
      return bodies.product_q8_0(product);
    case DType::kQ4_0:
      return bodies.product_q4_0(product);
    case DType::kQ6_K:
      return bodies.product_q6_k(product);
  }
}

}  // namespace

void MatMulGroup(std::span<const MatMulJob> jobs, Parallel& pool) {
  Workspace& w = ThreadWorkspace();
  for (const MatMulJob& job : jobs) CHECK_GE(job.out_stride, job.weights->num_outputs());
  PrepareRows(jobs, &w, pool);
  CutSlices(jobs, pool.num_threads(), &w.slices);
  pool.For(static_cast<int64_t>(w.slices.size()), [&](int64_t index) {
    const Slice& slice = w.slices[static_cast<size_t>(index)];
    const MatMulJob& job = jobs[static_cast<size_t>(slice.job)];
    RunProduct(job.weights->format(),
               {
                   .panels = reinterpret_cast<const uint8_t*>(job.weights->panel(0)),
                   .panel_bytes = job.weights->panel_bytes(),
                   .num_inputs = job.weights->num_inputs(),
                   .num_outputs = job.weights->num_outputs(),
                   .panel_begin = slice.panel_begin,
                   .panel_end = slice.panel_end,
                   .rows = w.rows.data() + w.starts[static_cast<size_t>(slice.job)].row,
                   .num_rows = static_cast<int64_t>(job.rows.size()),
               });
  });
}

void MatMul(const EncodedRows& x, const PackedMatrix& weights, const Tensor& out, Parallel& pool) {
  CHECK(x.format() == weights.row_format())
      << RowFormatName(x.format()) << " rows for " << DTypeName(weights.format()) << " weights";
  CHECK_EQ(x.num_cols(), weights.num_inputs());
  CHECK_EQ(out.num_rows(), x.num_rows());
  CHECK_EQ(out.dim(1), weights.num_outputs());
  std::vector<const std::byte*> rows(static_cast<size_t>(x.num_rows()));
  for (int64_t r = 0; r < x.num_rows(); ++r) rows[static_cast<size_t>(r)] = x.row(r);
  const MatMulJob job{
      .weights = &weights, .rows = rows, .out = out.data(), .out_stride = out.row_size()};
  MatMulGroup({&job, 1}, pool);
}

}  // namespace coterie
