// The keys of global layers. There k = rope(v ⊙ key_norm), of the value as the cache holds it: keys
// are derived, on a hit as on a miss, by the one function here. A cache keeps their rotated dims
// beside the values; at rest and on the wire values alone are enough.
#ifndef COTERIE_MODEL_GLOBAL_KEYS_H_
#define COTERIE_MODEL_GLOBAL_KEYS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/weights.h"

namespace coterie {

// The rotated dims of a head, [0, pairs) and [half, half + pairs), side by side at `out`, which may
// overlap `head` as long as it does not begin after it.
void CompactRotated(const float* head, int64_t half, int64_t pairs, float* out);

// The rotated dims of one head's key, [2 * pairs], at `out`. value: [1, head_dim], rounded to what
// the cache holds; cos, sin: [1, pairs], of the position; scratch: [1, head_dim], may overlap `out`
// as above.
void GlobalKey(const Tensor& value, std::span<const float> key_norm, const Tensor& cos,
               const Tensor& sin, const Tensor& scratch, float* out);

// Makes whole cache blocks of global layers from their values.
//
// Thread-safe: constant after construction.
class GlobalKeys {
 public:
  // Of the 64 positions of a block; the same for all global layers.
  struct Angles {
    int64_t first_position = 0;
    std::vector<float> cos, sin;  // [64, pairs]
  };

  // config, weights: not owned, outlive this.
  GlobalKeys(const ModelConfig* config, const TrunkWeights* weights)
      : config_(config), weights_(weights) {}

  // first_position: a block's border. There is a global layer.
  Angles AnglesAt(int64_t first_position) const;
  // block: 64 positions of a global layer, of Trunk::KvShapeOf it, whose values are there. Its keys
  // are written: the bits that Trunk::Attend stores beside those values.
  void Rebuild(int64_t layer, const KvShape& shape, const Angles& angles, std::byte* block) const;

 private:
  const ModelConfig* const config_;
  const TrunkWeights* const weights_;
};

}  // namespace coterie

#endif  // COTERIE_MODEL_GLOBAL_KEYS_H_
