#include "model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include "absl/numeric/int128.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "simdjson.h"

namespace coterie {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

// The format's own limit.
constexpr uint64_t kHeaderBytesMax = 100'000'000;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::optional<DType> TypeOf(std::string_view name) {
  if (name == "F32") return DType::kF32;
  if (name == "F16") return DType::kF16;
  if (name == "BF16") return DType::kBF16;
  return std::nullopt;
}

// Reads [2, 3] or the like; every entry from 0 to 2^40.
absl::StatusOr<std::vector<int64_t>> ReadNumbers(const object& tensor, std::string_view key,
                                                 size_t count_max) {
  simdjson::dom::array array;
  std::vector<int64_t> numbers;
  if (tensor.at_key(key).get(array) != simdjson::SUCCESS)
    return absl::InvalidArgumentError(absl::StrCat("no list \"", View(key), "\""));
  for (element entry : array) {
    int64_t number = 0;
    if (numbers.size() == count_max || entry.get(number) != simdjson::SUCCESS || number < 0 ||
        number > (int64_t{1} << 40)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", View(key), "\" is not a list of at most ", count_max, " sizes"));
    }
    numbers.push_back(number);
  }
  return numbers;
}

absl::StatusOr<RawTensor> ReadTensor(absl::string_view name, const element& value,
                                     std::span<const std::byte> data) {
  object fields;
  std::string_view type;
  if (value.get(fields) != simdjson::SUCCESS ||
      fields.at_key("dtype").get(type) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("no \"dtype\"");
  }
  const std::optional<DType> dtype = TypeOf(type);
  if (!dtype)
    return absl::UnimplementedError(absl::StrCat(
        "type ", View(type),
        " is not read; F32, F16 and BF16 are (re-quantised exports: take the original or a GGUF)"));
  RawTensor tensor;
  tensor.name = std::string(name);
  tensor.dtype = *dtype;
  ASSIGN_OR_RETURN(tensor.shape, ReadNumbers(fields, "shape", 4));
  ASSIGN_OR_RETURN(const std::vector<int64_t> offsets, ReadNumbers(fields, "data_offsets", 2));
  if (offsets.size() != 2 || offsets[0] > offsets[1] ||
      static_cast<uint64_t>(offsets[1]) > data.size()) {
    return absl::InvalidArgumentError(absl::StrCat("its bytes do not lie within the ", data.size(),
                                                   " bytes of data; the file may be truncated"));
  }
  absl::uint128 expected = static_cast<absl::uint128>(LayoutOf(*dtype).block_bytes);
  for (int64_t size : tensor.shape) {
    expected *= static_cast<absl::uint128>(size);
    if (expected > (absl::uint128{1} << 60))
      return absl::InvalidArgumentError("its shape is beyond any file");
  }
  if (expected != static_cast<absl::uint128>(offsets[1] - offsets[0])) {
    return absl::InvalidArgumentError(absl::StrCat("its shape takes ", absl::Uint128Low64(expected),
                                                   " bytes, its offsets span ",
                                                   offsets[1] - offsets[0]));
  }
  tensor.bytes =
      data.subspan(static_cast<size_t>(offsets[0]), static_cast<size_t>(offsets[1] - offsets[0]));
  return tensor;
}

}  // namespace

absl::StatusOr<std::vector<RawTensor>> ReadSafetensors(std::span<const std::byte> file,
                                                       bool (*wanted)(absl::string_view name)) {
  uint64_t header_bytes = 0;
  if (file.size() < 8)
    return absl::InvalidArgumentError(
        absl::StrCat("safetensors: ", file.size(), " bytes are no file"));
  std::memcpy(&header_bytes, file.data(), 8);
  if (header_bytes > kHeaderBytesMax || header_bytes > file.size() - 8) {
    return absl::InvalidArgumentError(absl::StrCat("safetensors: a header of ", header_bytes,
                                                   " bytes in a file of ", file.size(),
                                                   "; the file is truncated or not safetensors"));
  }
  simdjson::dom::parser parser;
  element root;
  object tensors;
  const simdjson::padded_string header(reinterpret_cast<const char*>(file.data()) + 8,
                                       header_bytes);
  if (const auto error = parser.parse(header).get(root); error != simdjson::SUCCESS) {
    return absl::InvalidArgumentError(absl::StrCat("safetensors: the header is not valid JSON: ",
                                                   simdjson::error_message(error)));
  }
  if (root.get(tensors) != simdjson::SUCCESS)
    return absl::InvalidArgumentError("safetensors: the header is not an object");
  const std::span<const std::byte> data = file.subspan(8 + header_bytes);
  std::vector<RawTensor> result;
  std::set<std::string_view> names;
  for (const auto& [key, value] : tensors) {
    if (key == "__metadata__") continue;
    if (!names.insert(key).second)
      return absl::InvalidArgumentError(
          absl::StrCat("safetensors: tensor ", View(key), " is there twice"));
    if (!wanted(View(key))) continue;
    absl::StatusOr<RawTensor> tensor = ReadTensor(View(key), value, data);
    if (!tensor.ok())
      return Annotate(tensor.status(), absl::StrCat("safetensors: tensor ", View(key)));
    result.push_back(*std::move(tensor));
  }
  std::vector<const RawTensor*> by_offset;
  by_offset.reserve(result.size());
  for (const RawTensor& tensor : result) by_offset.push_back(&tensor);
  std::sort(by_offset.begin(), by_offset.end(), [](const RawTensor* a, const RawTensor* b) {
    return a->bytes.data() < b->bytes.data();
  });
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const RawTensor& before = *by_offset[i - 1];
    if (before.bytes.data() + before.bytes.size() > by_offset[i]->bytes.data()) {
      return absl::InvalidArgumentError(absl::StrCat("safetensors: tensors ", before.name, " and ",
                                                     by_offset[i]->name, " overlap"));
    }
  }
  return result;
}

absl::StatusOr<std::vector<std::string>> ReadSafetensorsIndex(absl::string_view json) {
  simdjson::dom::parser parser;
  element root;
  object map;
  const simdjson::padded_string padded(json.data(), json.size());
  if (parser.parse(padded).get(root) != simdjson::SUCCESS ||
      root.at_key("weight_map").get(map) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("model.safetensors.index.json: no object \"weight_map\"");
  }
  std::set<std::string> files;
  for (const auto& [key, value] : map) {
    std::string_view file;
    if (value.get(file) != simdjson::SUCCESS || file.empty() ||
        file.find('/') != std::string_view::npos || file[0] == '.' ||
        !absl::EndsWith(View(file), ".safetensors")) {
      return absl::InvalidArgumentError(
          absl::StrCat("model.safetensors.index.json: tensor ", View(key),
                       " is not in a plain .safetensors file of the same directory"));
    }
    files.emplace(file);
  }
  return std::vector<std::string>(files.begin(), files.end());
}

}  // namespace coterie
