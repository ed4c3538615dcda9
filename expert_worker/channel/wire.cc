#include "expert_worker/channel/wire.h"

#include <xxhash.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

absl::StatusOr<RowFormat> ReadRowFormat(int format) {
  if (format < 0 || format > static_cast<int>(RowFormat::kInt8)) {
    return absl::InvalidArgumentError(
        absl::StrCat("row format ", format, " is not one of f32 (0), bf16 (1), int8 (2)"));
  }
  return static_cast<RowFormat>(format);
}

// Far above what a model has; it bounds what a frame makes us allocate.
constexpr int kExpertsPerRowMax = 64;

// Judges `rows` as num_rows rows of num_cols values.
absl::Status CheckRows(RowFormat format, uint64_t num_rows, uint64_t num_cols,
                       const std::string& rows, bool checksum_fits) {
  if (num_cols == 0 || num_cols > (1u << 20) ||
      (format == RowFormat::kInt8 && num_cols % kInt8GroupValues != 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rows of ", num_cols, " values in ", RowFormatName(format)));
  }
  const uint64_t expected =
      num_rows * static_cast<uint64_t>(EncodedRowBytes(format, static_cast<int64_t>(num_cols)));
  if (rows.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat(num_rows, " rows of ", num_cols, " values in ",
                                                   RowFormatName(format), " take ", expected,
                                                   " bytes, found ", rows.size()));
  }
  if (!checksum_fits) {
    return absl::DataLossError(absl::StrCat("the checksum of ", num_rows,
                                            " rows does not fit: they were damaged on the way"));
  }
  return absl::OkStatus();
}

absl::Status CheckFinite(RowFormat format, const std::byte* rows, int64_t num_rows,
                         int64_t num_cols) {
  const int64_t row_bytes = EncodedRowBytes(format, num_cols);
  for (int64_t r = 0; r < num_rows; ++r) {
    if (!EncodedRowIsFinite(format, rows + r * row_bytes, num_cols))
      return absl::DataLossError(absl::StrCat("row ", r, " has a value that is NaN or infinite"));
  }
  return absl::OkStatus();
}

}  // namespace

uint64_t Checksum(const v1::DispatchRequest& frame) {
  const auto hash = [](const google::protobuf::RepeatedField<uint32_t>& values, uint64_t seed) {
    return XXH3_64bits_withSeed(values.data(), static_cast<size_t>(values.size()) * 4, seed);
  };
  const uint64_t seed = hash(frame.pair_expert(), hash(frame.pair_row(), frame.layer()));
  return XXH3_64bits_withSeed(frame.rows().data(), frame.rows().size(), seed);
}

uint64_t Checksum(const v1::CombineReply& frame) {
  return XXH3_64bits(frame.rows().data(), frame.rows().size());
}

void FillDispatch(const DispatchBatch& batch, v1::DispatchRequest* frame) {
  const auto row_bytes = static_cast<size_t>(EncodedRowBytes(batch.format, batch.num_cols));
  frame->set_layer(static_cast<uint32_t>(batch.layer));
  frame->set_row_format(static_cast<v1::RowFormat>(batch.format));
  frame->set_num_cols(static_cast<uint32_t>(batch.num_cols));
  frame->set_num_rows(static_cast<uint32_t>(batch.rows.size()));
  std::string* rows = frame->mutable_rows();
  rows->resize(batch.rows.size() * row_bytes);
  for (size_t r = 0; r < batch.rows.size(); ++r)
    std::memcpy(rows->data() + r * row_bytes, batch.rows[r], row_bytes);
  frame->mutable_pair_row()->Assign(batch.pair_row.begin(), batch.pair_row.end());
  frame->mutable_pair_expert()->Assign(batch.pair_expert.begin(), batch.pair_expert.end());
  frame->set_checksum(Checksum(*frame));
}

absl::Status ReadDispatch(const v1::DispatchRequest& frame, DispatchBatch* batch) {
  ASSIGN_OR_RETURN(batch->format, ReadRowFormat(frame.row_format()));
  if (frame.num_rows() > kDispatchRowsMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dispatch: ", frame.num_rows(), " rows, at most ", kDispatchRowsMax, " are taken"));
  }
  const auto pairs_max = static_cast<int64_t>(frame.num_rows()) * kExpertsPerRowMax;
  if (frame.pair_row_size() > pairs_max || frame.pair_expert_size() > pairs_max) {
    return absl::InvalidArgumentError(absl::StrCat("dispatch: ", frame.pair_row_size(),
                                                   " pairs for ", frame.num_rows(), " rows"));
  }
  RETURN_IF_ERROR(CheckRows(batch->format, frame.num_rows(), frame.num_cols(), frame.rows(),
                            Checksum(frame) == frame.checksum()));
  batch->layer = frame.layer();
  batch->num_cols = frame.num_cols();
  const int64_t row_bytes = EncodedRowBytes(batch->format, batch->num_cols);
  batch->rows.resize(frame.num_rows());
  const auto* data = reinterpret_cast<const std::byte*>(frame.rows().data());
  RETURN_IF_ERROR(CheckFinite(batch->format, data, frame.num_rows(), batch->num_cols));
  for (size_t r = 0; r < batch->rows.size(); ++r)
    batch->rows[r] = data + static_cast<int64_t>(r) * row_bytes;
  batch->pair_row.assign(frame.pair_row().begin(), frame.pair_row().end());
  batch->pair_expert.assign(frame.pair_expert().begin(), frame.pair_expert().end());
  return absl::OkStatus();
}

absl::Status ReadCombine(const v1::CombineReply& frame, CombineBatch* batch) {
  if (frame.error_code() != 0)
    return absl::Status(static_cast<absl::StatusCode>(frame.error_code()), frame.error_message());
  ASSIGN_OR_RETURN(batch->format, ReadRowFormat(frame.row_format()));
  RETURN_IF_ERROR(CheckRows(batch->format, frame.num_pairs(), frame.num_cols(), frame.rows(),
                            Checksum(frame) == frame.checksum()));
  batch->num_cols = frame.num_cols();
  batch->num_pairs = frame.num_pairs();
  batch->data = reinterpret_cast<const std::byte*>(frame.rows().data());
  RETURN_IF_ERROR(CheckFinite(batch->format, batch->data, batch->num_pairs, batch->num_cols));
  batch->compute_seconds = static_cast<double>(frame.compute_ns()) * 1e-9;
  batch->queue_seconds = static_cast<double>(frame.queue_ns()) * 1e-9;
  return absl::OkStatus();
}

}  // namespace coterie
