#include "model/gguf.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kStringBytesMax = 16 << 20;

enum class ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("gguf: ", what));
}

// Takes values off the front of the file; every length is judged against what is left before
// anything is allocated.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  size_t position() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  template <typename T>
  absl::StatusOr<T> Take() {
    if (left() < sizeof(T)) return Malformed("the file ends within its header; it is truncated");
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  absl::StatusOr<std::string> TakeString() {
    ASSIGN_OR_RETURN(const uint64_t size, Take<uint64_t>());
    if (size > left() || size > kStringBytesMax)
      return Malformed(absl::StrCat("a string of ", size, " bytes, where ", left(), " are left"));
    std::string text(reinterpret_cast<const char*>(bytes_.data() + at_), size);
    at_ += size;
    return text;
  }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

template <typename T, typename As>
absl::StatusOr<GgufValue> TakeAs(Reader& reader) {
  ASSIGN_OR_RETURN(const T value, reader.Take<T>());
  return GgufValue(static_cast<As>(value));
}

absl::StatusOr<GgufValue> TakeScalar(Reader& reader, ValueType type) {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kBool:
      return TakeAs<uint8_t, int64_t>(reader);
    case ValueType::kI8:
      return TakeAs<int8_t, int64_t>(reader);
    case ValueType::kU16:
      return TakeAs<uint16_t, int64_t>(reader);
    case ValueType::kI16:
      return TakeAs<int16_t, int64_t>(reader);
    case ValueType::kU32:
      return TakeAs<uint32_t, int64_t>(reader);
    case ValueType::kI32:
      return TakeAs<int32_t, int64_t>(reader);
    case ValueType::kU64:
      return TakeAs<uint64_t, int64_t>(reader);
    case ValueType::kI64:
      return TakeAs<int64_t, int64_t>(reader);
    case ValueType::kF32:
      return TakeAs<float, double>(reader);
    case ValueType::kF64:
      return TakeAs<double, double>(reader);
    case ValueType::kString: {
      ASSIGN_OR_RETURN(std::string text, reader.TakeString());
      return GgufValue(std::move(text));
    }
    default:
      return Malformed(absl::StrCat("value type ", static_cast<uint32_t>(type), " is unknown"));
  }
}

template <typename T>
absl::StatusOr<GgufValue> TakeList(Reader& reader, ValueType type, uint64_t count) {
  std::vector<T> list;
  for (uint64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(GgufValue value, TakeScalar(reader, type));
    list.push_back(std::get<T>(std::move(value)));
  }
  return GgufValue(std::move(list));
}

absl::StatusOr<GgufValue> TakeValue(Reader& reader) {
  ASSIGN_OR_RETURN(const auto type_number, reader.Take<uint32_t>());
  const auto type = static_cast<ValueType>(type_number);
  if (type != ValueType::kArray) return TakeScalar(reader, type);
  ASSIGN_OR_RETURN(const auto element_number, reader.Take<uint32_t>());
  ASSIGN_OR_RETURN(const auto count, reader.Take<uint64_t>());
  // Every element takes a byte at least.
  if (count > reader.left())
    return Malformed(
        absl::StrCat("a list of ", count, " values, where ", reader.left(), " bytes are left"));
  // A list takes up to 32 times its bytes in memory; the largest that a model has are its merges.
  constexpr uint64_t kListMax = uint64_t{1} << 24;
  if (count > kListMax)
    return Malformed(absl::StrCat("a list of ", count, " values, at most ", kListMax, " are read"));
  const auto element = static_cast<ValueType>(element_number);
  if (element == ValueType::kArray) return Malformed("a list of lists");
  if (element == ValueType::kString) return TakeList<std::string>(reader, element, count);
  if (element == ValueType::kF32 || element == ValueType::kF64)
    return TakeList<double>(reader, element, count);
  return TakeList<int64_t>(reader, element, count);
}

std::optional<DType> TypeOf(uint32_t ggml_type) {
  switch (ggml_type) {
    case 0:
      return DType::kF32;
    case 1:
      return DType::kF16;
    case 2:
      return DType::kQ4_0;
    case 8:
      return DType::kQ8_0;
    case 14:
      return DType::kQ6_K;
    case 30:
      return DType::kBF16;
    default:
      return std::nullopt;
  }
}

std::string TypeName(uint32_t ggml_type) {
  static constexpr const char* kNames[] = {
      "f32",     "f16",    "q4_0",    "q4_1",  "4",      "5",     "q5_0",  "q5_1",
      "q8_0",    "q8_1",   "q2_K",    "q3_K",  "q4_K",   "q5_K",  "q6_K",  "q8_K",
      "iq2_xxs", "iq2_xs", "iq3_xxs", "iq1_s", "iq4_nl", "iq3_s", "iq2_s", "iq4_xs",
      "i8",      "i16",    "i32",     "i64",   "f64",    "iq1_m", "bf16",  "31",
      "32",      "33",     "tq1_0",   "tq2_0", "36",     "37",    "38",    "mxfp4"};
  if (ggml_type < std::size(kNames)) return kNames[ggml_type];
  return absl::StrCat("number ", ggml_type);
}

struct TensorHeader {
  RawTensor tensor;
  uint32_t ggml_type = 0;
  uint64_t offset = 0;
};

absl::StatusOr<TensorHeader> TakeTensorHeader(Reader& reader) {
  TensorHeader header;
  ASSIGN_OR_RETURN(header.tensor.name, reader.TakeString());
  ASSIGN_OR_RETURN(const auto rank, reader.Take<uint32_t>());
  if (rank == 0 || rank > 4)
    return Malformed(absl::StrCat("tensor ", header.tensor.name, " has ", rank, " dimensions"));
  for (uint32_t i = 0; i < rank; ++i) {
    ASSIGN_OR_RETURN(const auto size, reader.Take<uint64_t>());
    if (size == 0 || size > (uint64_t{1} << 40))
      return Malformed(absl::StrCat("tensor ", header.tensor.name, " has a dimension of ", size));
    header.tensor.shape.insert(header.tensor.shape.begin(), static_cast<int64_t>(size));
  }
  ASSIGN_OR_RETURN(header.ggml_type, reader.Take<uint32_t>());
  ASSIGN_OR_RETURN(header.offset, reader.Take<uint64_t>());
  return header;
}

absl::Status Place(std::span<const std::byte> data, uint64_t alignment, TensorHeader* header) {
  RawTensor& tensor = header->tensor;
  const std::optional<DType> dtype = TypeOf(header->ggml_type);
  if (!dtype) {
    return absl::UnimplementedError(absl::StrCat(
        "gguf: tensor ", tensor.name, " has type ", TypeName(header->ggml_type),
        "; f32, f16, bf16, q8_0, q4_0 and q6_K are read: take a file of one of these"));
  }
  tensor.dtype = *dtype;
  const DTypeLayout layout = LayoutOf(*dtype);
  if (tensor.shape.back() % layout.block_values != 0) {
    return Malformed(absl::StrCat("tensor ", tensor.name, " has rows of ", tensor.shape.back(),
                                  " values, not whole blocks of ", DTypeName(*dtype)));
  }
  absl::uint128 bytes = static_cast<absl::uint128>(tensor.shape.back() / layout.block_values) *
                        static_cast<absl::uint128>(layout.block_bytes);
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    bytes *= static_cast<absl::uint128>(tensor.shape[i]);
    if (bytes > data.size()) break;
  }
  if (bytes > data.size() || header->offset > data.size() - absl::Uint128Low64(bytes)) {
    return Malformed(absl::StrCat("the bytes of tensor ", tensor.name,
                                  " do not lie within the file; it may be truncated"));
  }
  if (header->offset % alignment != 0)
    return Malformed(
        absl::StrCat("tensor ", tensor.name, " is not aligned to ", alignment, " bytes"));
  tensor.bytes = data.subspan(header->offset, absl::Uint128Low64(bytes));
  return absl::OkStatus();
}

absl::Status CheckOverlap(const std::vector<RawTensor>& tensors) {
  std::vector<const RawTensor*> by_offset;
  by_offset.reserve(tensors.size());
  for (const RawTensor& tensor : tensors) by_offset.push_back(&tensor);
  std::sort(by_offset.begin(), by_offset.end(), [](const RawTensor* a, const RawTensor* b) {
    return a->bytes.data() < b->bytes.data();
  });
  for (size_t i = 1; i < by_offset.size(); ++i) {
    if (by_offset[i - 1]->bytes.data() + by_offset[i - 1]->bytes.size() >
        by_offset[i]->bytes.data()) {
      return Malformed(absl::StrCat("tensors ", by_offset[i - 1]->name, " and ", by_offset[i]->name,
                                    " overlap"));
    }
  }
  return absl::OkStatus();
}

absl::Status NoKey(const std::string& key, absl::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("gguf: metadata key ", key, " is missing or is not ", wanted));
}

}  // namespace

absl::StatusOr<int64_t> GgufFile::Int(const std::string& key) const {
  const auto found = metadata.find(key);
  if (found == metadata.end() || !std::holds_alternative<int64_t>(found->second))
    return NoKey(key, "a whole number");
  return std::get<int64_t>(found->second);
}

absl::StatusOr<double> GgufFile::Float(const std::string& key) const {
  const auto found = metadata.find(key);
  if (found != metadata.end() && std::holds_alternative<double>(found->second))
    return std::get<double>(found->second);
  if (found != metadata.end() && std::holds_alternative<int64_t>(found->second))
    return static_cast<double>(std::get<int64_t>(found->second));
  return NoKey(key, "a number");
}

absl::StatusOr<std::string> GgufFile::String(const std::string& key) const {
  const auto found = metadata.find(key);
  if (found == metadata.end() || !std::holds_alternative<std::string>(found->second))
    return NoKey(key, "a string");
  return std::get<std::string>(found->second);
}

absl::StatusOr<std::vector<int64_t>> GgufFile::Ints(const std::string& key) const {
  const auto found = metadata.find(key);
  if (found != metadata.end() && std::holds_alternative<std::vector<int64_t>>(found->second))
    return std::get<std::vector<int64_t>>(found->second);
  if (found != metadata.end() && std::holds_alternative<int64_t>(found->second))
    return std::vector<int64_t>{std::get<int64_t>(found->second)};
  return NoKey(key, "a list of whole numbers");
}

absl::StatusOr<std::vector<std::string>> GgufFile::Strings(const std::string& key) const {
  const auto found = metadata.find(key);
  if (found == metadata.end() || !std::holds_alternative<std::vector<std::string>>(found->second))
    return NoKey(key, "a list of strings");
  return std::get<std::vector<std::string>>(found->second);
}

absl::StatusOr<GgufFile> ReadGguf(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  ASSIGN_OR_RETURN(const auto magic, reader.Take<uint32_t>());
  if (magic != kMagic)
    return Malformed(
        "the file does not begin with \"GGUF\"; a .gguf file or a directory with config.json and "
        "safetensors is expected");
  ASSIGN_OR_RETURN(const auto version, reader.Take<uint32_t>());
  if (version != 2 && version != 3)
    return absl::UnimplementedError(
        absl::StrCat("gguf: version ", version, " is not read; 2 and 3 are"));
  ASSIGN_OR_RETURN(const auto num_tensors, reader.Take<uint64_t>());
  ASSIGN_OR_RETURN(const auto num_keys, reader.Take<uint64_t>());
  if (num_tensors > reader.left() || num_keys > reader.left()) {
    return Malformed(absl::StrCat(num_tensors, " tensors and ", num_keys, " keys in a file of ",
                                  bytes.size(), " bytes"));
  }
  GgufFile file;
  for (uint64_t i = 0; i < num_keys; ++i) {
    ASSIGN_OR_RETURN(const std::string key, reader.TakeString());
    absl::StatusOr<GgufValue> value = TakeValue(reader);
    if (!value.ok()) return Annotate(value.status(), absl::StrCat("key ", key));
    if (!file.metadata.emplace(key, *std::move(value)).second)
      return Malformed(absl::StrCat("metadata key ", key, " is there twice"));
  }
  std::vector<TensorHeader> headers;
  std::set<std::string> names;
  for (uint64_t i = 0; i < num_tensors; ++i) {
    ASSIGN_OR_RETURN(TensorHeader header, TakeTensorHeader(reader));
    if (!names.insert(header.tensor.name).second)
      return Malformed(absl::StrCat("tensor ", header.tensor.name, " is there twice"));
    headers.push_back(std::move(header));
  }
  int64_t alignment = 32;
  if (file.metadata.contains("general.alignment")) {
    ASSIGN_OR_RETURN(alignment, file.Int("general.alignment"));
    if (alignment < 8 || alignment > (1 << 20) || (alignment & (alignment - 1)) != 0)
      return Malformed(absl::StrCat("alignment is ", alignment));
  }
  const auto unit = static_cast<uint64_t>(alignment);
  const uint64_t start =
      std::min<uint64_t>((reader.position() + unit - 1) / unit * unit, bytes.size());
  for (TensorHeader& header : headers) {
    RETURN_IF_ERROR(Place(bytes.subspan(start), unit, &header));
    file.tensors.push_back(std::move(header.tensor));
  }
  RETURN_IF_ERROR(CheckOverlap(file.tensors));
  return file;
}

}  // namespace coterie
