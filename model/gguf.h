// Reader of GGUF, versions 2 and 3: metadata and tensors. Format: ggml's docs/gguf.md.
#ifndef COTERIE_MODEL_GGUF_H_
#define COTERIE_MODEL_GGUF_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/raw_tensor.h"

namespace coterie {

// A metadata value: whole numbers and booleans as int64, floats as double, and arrays of each.
using GgufValue = std::variant<int64_t, double, std::string, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;

struct GgufFile {
  std::map<std::string, GgufValue> metadata;
  std::vector<RawTensor> tensors;  // point into the file; shapes outermost first

  // InvalidArgument names the key when it is missing or of another type. Numbers convert between
  // whole and float.
  absl::StatusOr<int64_t> Int(const std::string& key) const;
  absl::StatusOr<double> Float(const std::string& key) const;
  absl::StatusOr<std::string> String(const std::string& key) const;
  absl::StatusOr<std::vector<int64_t>> Ints(
      const std::string& key) const;  // a single number counts as a list of one
  absl::StatusOr<std::vector<std::string>> Strings(const std::string& key) const;
};

// InvalidArgument says what is malformed, and in which key or tensor; Unimplemented names a tensor
// type or version that we do not read.
absl::StatusOr<GgufFile> ReadGguf(std::span<const std::byte> file);

}  // namespace coterie

#endif  // COTERIE_MODEL_GGUF_H_
