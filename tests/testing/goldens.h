// What transformers said about the tiny checkpoint (tests/golden/make_goldens.py).
#ifndef COTERIE_TESTS_TESTING_GOLDENS_H_
#define COTERIE_TESTS_TESTING_GOLDENS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace coterie {

inline const std::string kCheckpoints = "tests/golden/checkpoints/";
inline constexpr int64_t kTinyVocab = 304;
inline constexpr int64_t kTinyModelDim = 64;

struct Golden {
  std::vector<int32_t> prompt;
  std::vector<float> logits;    // [prompt, kTinyVocab]
  double bf16_deviation = 0;    // of transformers' own bf16, as a share of the largest logit
  std::vector<int32_t> greedy;  // 24 tokens
  std::vector<double> gaps;     // between each one's logit and the runner-up's
};

struct GoldenRoute {
  int64_t prompt = 0, layer = 0, position = 0;
  std::vector<int32_t> experts;
  std::vector<double> weights;
  std::vector<float> input;  // what the gate was given, [kTinyModelDim]
};

// Aborts when the files are not there.
std::vector<Golden> ReadGoldens();
std::vector<GoldenRoute> ReadGoldenRoutes();

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_GOLDENS_H_
