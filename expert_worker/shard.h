// Shard: which experts of which layers one worker holds.
//
// Text form (flags, wire):
//   i/n                  expert e belongs to shard i of n when e * n / num_experts == i, in every
//                        layer
//   i/nxC                that, and further copies so that every expert is in C of the n shards; the
//                        copies of one shard's experts are spread over all others, so that they
//                        share its load when it dies
//   0-31,64              these experts in every layer
//   0-14:0-127;15-29:0-63   layers : experts, for runs of layers
#ifndef COTERIE_EXPERT_WORKER_SHARD_H_
#define COTERIE_EXPERT_WORKER_SHARD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace coterie {

class Shard {
 public:
  Shard() = default;  // holds nothing, of no model
  static Shard Nothing(int64_t num_layers, int64_t num_experts) {
    return Shard(num_layers, num_experts);
  }
  // InvalidArgument names the part that is malformed or beyond the model.
  static absl::StatusOr<Shard> Parse(absl::string_view text, int64_t num_layers,
                                     int64_t num_experts);
  // From the wire's bitmap: bit layer * num_experts + expert, least significant bit of each byte
  // first.
  static absl::StatusOr<Shard> FromBitmap(absl::string_view bitmap, int64_t num_layers,
                                          int64_t num_experts);

  bool Holds(int64_t layer, int64_t expert) const {
    return !held_.empty() && held_[static_cast<size_t>(layer * num_experts_ + expert)];
  }
  // Requires a shard of a model. It is then no more what its text says.
  void Set(int64_t layer, int64_t expert, bool holds) {
    held_[static_cast<size_t>(layer * num_experts_ + expert)] = holds;
    text_ = kPlanned;
  }
  int64_t num_held() const;  // (layer, expert) pairs
  std::string Bitmap() const;
  // As it was parsed; "planned" after a change.
  const std::string& text() const { return text_; }

 private:
  static constexpr char kPlanned[] = "planned";

  Shard(int64_t num_layers, int64_t num_experts);

  int64_t num_experts_ = 0;
  std::vector<bool> held_;
  std::string text_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_SHARD_H_
