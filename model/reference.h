// Reference: the whole model in one thread and plain loops, in double, straight from the file:
// slow, obvious, and the judge of all others. It keeps no cache and no packed weights, and shares
// no code with the kernels.
#ifndef COTERIE_MODEL_REFERENCE_H_
#define COTERIE_MODEL_REFERENCE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "model/checkpoint.h"

namespace coterie {

// The mistakes that others made, one bit each: tests switch one on and show that they notice.
enum class ReferenceMistake : uint8_t {
  kNone,
  kWindowLonger,
  kWindowShorter,
  kValueAfterKeyNorm,
  kValueAfterRope,
  kNoValueNorm,
  kOnePlusWeightNorms,
  kScaledAttention,
  kRopeDenominatorRotary,
  kRopeContiguous,
  kFullRotationGlobal,
  kInterleavedPairs,
  kErfGelu,
  kGateOnExpertInput,
  kGateWithoutRootDim,
  kNoPerExpertScale,
  kGateUpSwapped,
  kPostNormsSwapped,
  kExpertsThroughDenseNorm,
  kLayerScalarOnBranch,
  kNoLayerScalar,
  kSilu,
  kNoEmbeddingScale,
  kNoSoftCap,
  kNoTopKRenormalisation,
};
inline constexpr int kNumReferenceMistakes = 25;
const char* ReferenceMistakeName(ReferenceMistake mistake);

struct ReferenceOutput {
  std::vector<double> logits;                 // [num_tokens, vocab_size], soft-capped
  std::vector<std::vector<int32_t>> experts;  // [layer][num_tokens * top_k], rank order
  std::vector<std::vector<double>> weights;   // likewise, as applied
  std::vector<std::vector<double>> hidden;    // [layer][num_tokens * model_dim], the layer's output
};

struct ReferenceOptions {
  ReferenceMistake mistake = ReferenceMistake::kNone;
  // Rounds what the engine rounds, and nothing else: the operand of every product to what the
  // weights' format takes (kernels/rows.h), and, unless the experts are f32, their outputs and the
  // cached keys and values to bf16. The engine then differs by its float sums only.
  bool round_as_engine = false;
};

// Runs `tokens` as one prompt from position 0.
ReferenceOutput RunReference(const Checkpoint& checkpoint, std::span<const int32_t> tokens,
                             ReferenceOptions options = {});

}  // namespace coterie

#endif  // COTERIE_MODEL_REFERENCE_H_
