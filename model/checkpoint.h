// Checkpoint: the files of a model, opened, checked and memory-mapped, but not yet loaded. A
// directory with config.json and safetensors (one file, or several with
// model.safetensors.index.json), or one .gguf file. After Open every tensor of the table
// (model/tensor_table.h) is known to be present once, with the right shape and a type we read,
// inside its file.
//
// Thread rule: immutable after Open; read by any number of threads.
#ifndef COTERIE_MODEL_CHECKPOINT_H_
#define COTERIE_MODEL_CHECKPOINT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/tensor.h"
#include "model/config.h"
#include "model/tensor_table.h"
#include "model/vocabulary.h"

namespace coterie {

class Checkpoint {
 public:
  // NotFound / InvalidArgument / Unimplemented / DataLoss with the path, the tensor, what was
  // expected and what was found.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(absl::string_view path);
  virtual ~Checkpoint() = default;

  const ModelConfig& config() const { return config_; }
  const std::string& path() const { return path_; }
  // Names the model: a hash over the config, every tensor's name, shape and type, and samples of
  // every tensor's bytes. Equal on every machine that holds the same files. 32 hex digits.
  const std::string& digest() const { return digest_; }

  // The tensor of `role` in `layer` (kNoLayer for those outside the layers), as matrices: one, or
  // two where a fused tensor is split in the file (gate, then up). Vectors are one row. For expert
  // roles, the slice of `expert`. The role must exist in that layer.
  std::vector<RawMatrix> Matrices(TensorRole role, int64_t layer, int64_t expert = 0) const;
  // What the file calls the first of those, for messages.
  std::string TensorName(TensorRole role, int64_t layer) const;
  // What the experts are stored in; all experts have one type.
  DType expert_dtype() const;

  // The tokenizer's vocabulary: tokenizer.json beside the weights, or GGUF metadata.
  absl::StatusOr<Vocabulary> ReadVocabulary() const;

 protected:
  ModelConfig config_;
  std::string path_;
  std::string digest_;
};

}  // namespace coterie

#endif  // COTERIE_MODEL_CHECKPOINT_H_
