// Reader of the safetensors format: 8 bytes of header length, a JSON header, then the tensors'
// bytes.
#ifndef COTERIE_MODEL_SAFETENSORS_H_
#define COTERIE_MODEL_SAFETENSORS_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/raw_tensor.h"

namespace coterie {

// The tensors of one file; they point into `file`. Tensors that `wanted` refuses may have any type.
// InvalidArgument says what is malformed, and in which tensor; Unimplemented names a type that we
// do not read.
absl::StatusOr<std::vector<RawTensor>> ReadSafetensors(std::span<const std::byte> file,
                                                       bool (*wanted)(absl::string_view name));

// model.safetensors.index.json → the names of its shard files, each once. InvalidArgument for a
// name that is not a plain file name.
absl::StatusOr<std::vector<std::string>> ReadSafetensorsIndex(absl::string_view json);

}  // namespace coterie

#endif  // COTERIE_MODEL_SAFETENSORS_H_
