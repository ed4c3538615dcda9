// The GGUF forms against llama.cpp, another code base. Method: the distributions of the next token
// at 500 positions of 16 unselected prompts. What llama.cpp's own rounding does is known from its
// distance to transformers in float32 on the same stored weights (tests/golden/llama_cpp/
// agreement.txt); ours may be no further from it than that.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/check.h"
#include "tests/testing/goldens.h"
#include "tests/testing/local_forward.h"

namespace coterie {
namespace {

constexpr char kFolder[] = "tests/golden/llama_cpp/";
constexpr std::array<double, 4> kQuantiles = {0.5, 0.9, 0.99, 1.0};

// How two programs differ: the largest difference of a probability at a position, at kQuantiles of
// the positions, and at how many the first choice is the same.
struct Agreement {
  size_t num_prompts = 0, num_positions = 0;
  std::array<double, 4> difference = {};
  int64_t same_choice = 0;
};

Agreement OfTransformers(const std::string& name) {
  std::ifstream file(std::string(kFolder) + "agreement.txt");
  CHECK(file.good()) << kFolder;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string form;
    Agreement agreement;
    fields >> form >> agreement.num_prompts >> agreement.num_positions;
    for (double& difference : agreement.difference) fields >> difference;
    fields >> agreement.same_choice;
    if (form == name) return agreement;
  }
  CHECK(false) << "no " << name << " in agreement.txt";
}

std::vector<double> Probabilities(const float* logits) {
  const double highest = static_cast<double>(*std::max_element(logits, logits + kTinyVocab));
  std::vector<double> p;
  double total = 0;
  for (int64_t i = 0; i < kTinyVocab; ++i)
    total += p.emplace_back(std::exp(static_cast<double>(logits[i]) - highest));
  for (double& v : p) v /= total;
  return p;
}

size_t Choice(const std::vector<double>& p) {
  return static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
}

Agreement Ours(const std::string& model, const std::string& name, size_t num_prompts) {
  LocalForward forward({.model = kCheckpoints + model});
  std::ifstream file(kFolder + name + ".f32", std::ios::binary);
  CHECK(file.good()) << name;
  Agreement agreement;
  std::vector<double> differences;
  const std::vector<Golden> goldens = ReadGoldens();
  for (size_t i = 0; i < num_prompts; ++i) {
    const std::vector<float> logits = forward.Logits(goldens[i].prompt);
    std::vector<float> theirs(kTinyVocab);
    for (size_t at = 0; at < logits.size(); at += kTinyVocab) {
      file.read(reinterpret_cast<char*>(theirs.data()),
                static_cast<std::streamsize>(theirs.size() * sizeof(float)));
      CHECK(file.good()) << name;
      const std::vector<double> p = Probabilities(logits.data() + at),
                                q = Probabilities(theirs.data());
      double largest = 0;
      for (size_t id = 0; id < p.size(); ++id)
        largest = std::max(largest, std::fabs(p[id] - q[id]));
      differences.push_back(largest);
      agreement.same_choice += Choice(p) == Choice(q) ? 1 : 0;
    }
  }
  std::sort(differences.begin(), differences.end());
  agreement.num_positions = differences.size();
  for (size_t i = 0; i < kQuantiles.size(); ++i) {
    agreement.difference[i] = differences[static_cast<size_t>(
        kQuantiles[i] * static_cast<double>(differences.size() - 1))];
  }
  return agreement;
}

// In f32 both distances come from llama.cpp alone. Where activations are rounded, ours are too, and
// one distance is as much a matter of luck as the other.
struct Form {
  const char* model;
  const char* name;
  double tolerance;
};

class LlamaCppTest : public testing::TestWithParam<Form> {};

TEST_P(LlamaCppTest, NoFurtherFromItThanItsOwnRoundingTakesIt) {
  const Agreement theirs = OfTransformers(GetParam().name);
  const Agreement ours = Ours(GetParam().model, GetParam().name, theirs.num_prompts);
  EXPECT_EQ(ours.num_positions, theirs.num_positions);
  for (size_t i = 0; i < kQuantiles.size(); ++i)
    EXPECT_LE(ours.difference[i], theirs.difference[i] * GetParam().tolerance) << kQuantiles[i];
  EXPECT_GE(ours.same_choice * 100, theirs.same_choice * 98);
}

INSTANTIATE_TEST_SUITE_P(Forms, LlamaCppTest,
                         testing::Values(Form{"tiny_f32", "tiny_f32", 1.02},
                                         Form{"tiny_q8_0.gguf", "tiny_q8_0", 1.25},
                                         Form{"tiny_q4_0.gguf", "tiny_q4_0", 1.25}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace coterie
