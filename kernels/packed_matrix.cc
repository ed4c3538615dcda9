#include "kernels/packed_matrix.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "kernels/cpu/panel_layout.h"
#include "kernels/half.h"
#include "kernels/pack/pack_rows.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

int64_t PanelBytes(DType format, int64_t num_inputs) {
  const PanelLayout layout{num_inputs};
  int64_t bytes = 0;
  switch (format) {
    case DType::kF32:
      bytes = num_inputs * kPanelOutputs * 4;
      break;
    case DType::kF16:
    case DType::kBF16:
      bytes = num_inputs * kPanelOutputs * 2;
      break;
    case DType::kQ8_0:
      bytes = layout.q8_bytes();
      break;
    case DType::kQ4_0:
      bytes = layout.q4_bytes();
      break;
    case DType::kQ6_K:
      bytes = layout.q6_bytes();
      break;
  }
  return (bytes + 63) / 64 * 64;
}

absl::Status CheckSources(std::span<const RawMatrix> sources, DType format) {
  CHECK(!sources.empty());
  const RawMatrix& first = sources.front();
  if (format != first.dtype &&
      (IsQuantised(first.dtype) || (format != DType::kQ8_0 && format != DType::kQ4_0))) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot turn ", DTypeName(first.dtype), " weights into ", DTypeName(format),
                     ": only f32, f16 and bf16 are quantised, to q8_0 or q4_0"));
  }
  const int block = LayoutOf(format).block_values;
  if (first.num_cols <= 0 || first.num_cols % block != 0) {
    return absl::InvalidArgumentError(absl::StrCat(DTypeName(format),
                                                   " needs rows of a multiple of ", block,
                                                   " values, found ", first.num_cols));
  }
  for (const RawMatrix& source : sources) {
    CHECK(source.dtype == first.dtype && source.num_cols == first.num_cols)
        << "stacked matrices differ";
    CHECK_EQ(static_cast<int64_t>(source.bytes.size()),
             source.num_rows * RowBytes(source.dtype, source.num_cols));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PackedMatrix> PackedMatrix::Pack(const RawMatrix& source, DType format,
                                                Parallel& pool) {
  return PackStacked({&source, 1}, format, pool);
}

absl::StatusOr<PackedMatrix> PackedMatrix::PackStacked(std::span<const RawMatrix> sources,
                                                       DType format, Parallel& pool) {
  RETURN_IF_ERROR(CheckSources(sources, format));
  PackedMatrix packed;
  packed.format_ = format;
  packed.num_inputs_ = sources.front().num_cols;
  for (const RawMatrix& source : sources) packed.num_outputs_ += source.num_rows;
  packed.panel_bytes_ = PanelBytes(format, packed.num_inputs_);
  packed.buffer_ = Buffer(static_cast<size_t>(packed.num_panels() * packed.panel_bytes_));

  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> first_bad_row{kNone};
  const int64_t row_bytes = RowBytes(sources.front().dtype, packed.num_inputs_);
  pool.For(packed.num_panels(), [&](int64_t panel) {
    PackJob job{
        .source = sources.front().dtype, .format = format, .num_inputs = packed.num_inputs_};
    job.panel = packed.buffer_.data() + panel * packed.panel_bytes_;
    for (int64_t lane = 0; lane < kPanelOutputs; ++lane) {
      int64_t row = panel * kPanelOutputs + lane;
      for (const RawMatrix& source : sources) {
        if (row < source.num_rows) {
          job.rows[lane] = source.bytes.data() + row * row_bytes;
          break;
        }
        row -= source.num_rows;
      }
    }
    const int bad_lane = PackPanel(job);
    if (bad_lane < 0) return;
    const int64_t bad_row = panel * kPanelOutputs + bad_lane;
    int64_t seen = first_bad_row.load();
    while (bad_row < seen && !first_bad_row.compare_exchange_weak(seen, bad_row)) {
    }
  });
  if (first_bad_row != kNone) {
    return absl::InvalidArgumentError(absl::StrCat(
        "row ", first_bad_row.load(), " has a weight that is NaN, infinite or out of range for ",
        DTypeName(format), "; the file is damaged or was badly converted"));
  }
  return packed;
}

void PackedMatrix::UnpackRow(int64_t output, float* out) const {
  CHECK(output >= 0 && output < num_outputs_) << output;
  UnpackLane(format_, panel(output / kPanelOutputs), num_inputs_,
             static_cast<int>(output % kPanelOutputs), out);
}

}  // namespace coterie
