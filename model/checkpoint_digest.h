// CheckpointDigest: what router and workers compare before they work together. Headers tell most
// models apart; fine-tunes of one shape differ in their bytes, of which a few at fixed places are
// read, so that a process touches little of what it does not hold. It finds mix-ups, not forgeries.
#ifndef COTERIE_MODEL_CHECKPOINT_DIGEST_H_
#define COTERIE_MODEL_CHECKPOINT_DIGEST_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "model/config.h"
#include "model/raw_tensor.h"

struct XXH3_state_s;

namespace coterie {

class CheckpointDigest {
 public:
  explicit CheckpointDigest(const ModelConfig& config);
  ~CheckpointDigest();
  CheckpointDigest(const CheckpointDigest&) = delete;
  CheckpointDigest& operator=(const CheckpointDigest&) = delete;

  // In the same order everywhere. `role` and `layer` say what the tensor is to the model; its name
  // may differ between files of one model.
  void Add(int role, int64_t layer, const RawTensor& tensor);

  // 32 hexadecimal digits.
  std::string Text() const;

 private:
  void AddText(absl::string_view text);

  XXH3_state_s* const state_;
};

}  // namespace coterie

#endif  // COTERIE_MODEL_CHECKPOINT_DIGEST_H_
