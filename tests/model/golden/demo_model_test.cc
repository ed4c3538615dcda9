// The demo model through our engine against transformers, on 64 unselected dialogues of other
// seeds than the training's: 150 to 900 tokens, so that the window of 128 matters everywhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "kernels/check.h"
#include "model/mapped_file.h"
#include "model/safetensors.h"
#include "tests/model/files/file_builders.h"
#include "tests/testing/local_forward.h"

namespace coterie {
namespace {

const std::string kModel = "tools/demo_model/checkpoint";
const std::string kFolder = "tests/golden/demo_model/";

struct DemoGolden {
  std::vector<int32_t> prompt;
  std::vector<int32_t> greedy;  // the stop token at its end, or 80 tokens
  std::vector<double> gaps;     // between each one's logit and the runner-up's
  std::vector<float> logits;    // [greedy, columns]
  double bf16_deviation = 0;    // of transformers' own bf16
};

struct DemoGoldens {
  std::vector<size_t> columns;
  std::vector<DemoGolden> dialogues;
};

std::ifstream Open(const std::string& name) {
  std::ifstream file(kFolder + name, std::ios::binary);
  CHECK(file.good()) << kFolder << name;
  return file;
}

DemoGoldens ReadDemoGoldens() {
  DemoGoldens goldens;
  std::ifstream columns = Open("columns.txt"), prompts = Open("prompts.txt"),
                greedy = Open("greedy.txt"), deviations = Open("deviation.txt"),
                logits = Open("logits.f32");
  for (size_t column; columns >> column;) goldens.columns.push_back(column);
  for (std::string prompt_line, greedy_line;
       std::getline(prompts, prompt_line) && std::getline(greedy, greedy_line);) {
    DemoGolden& golden = goldens.dialogues.emplace_back();
    std::istringstream prompt(prompt_line), answer(greedy_line);
    for (int32_t id; prompt >> id;) golden.prompt.push_back(id);
    double gap = 0;
    for (int32_t id; answer >> id >> gap;) {
      golden.greedy.push_back(id);
      golden.gaps.push_back(gap);
    }
    deviations >> golden.bf16_deviation;
    golden.logits.resize(golden.greedy.size() * goldens.columns.size());
    logits.read(reinterpret_cast<char*>(golden.logits.data()),
                static_cast<std::streamsize>(golden.logits.size() * sizeof(float)));
  }
  CHECK(deviations.good() && logits.good() && logits.peek() == EOF);
  return goldens;
}

// The same weights in float32, so that nothing is rounded on the way: what is then different is
// wrong.
std::string Float32Copy() {
  std::string folder = NewFolder();
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json"})
    std::filesystem::copy_file(kModel + "/" + name, folder + "/" + name);
  const auto file = MappedFile::Open(kModel + "/model.safetensors");
  CHECK(file.ok()) << file.status();
  const auto tensors = ReadSafetensors((*file)->bytes(), [](absl::string_view) { return true; });
  CHECK(tensors.ok()) << tensors.status();
  std::vector<FileTensor> wide;
  for (const RawTensor& tensor : *tensors) {
    CHECK(tensor.dtype == DType::kBF16) << tensor.name;
    FileTensor& out = wide.emplace_back();
    out.name = tensor.name;
    out.shape = tensor.shape;
    out.bytes.resize(tensor.bytes.size() * 2);
    for (size_t i = 0; i < tensor.bytes.size(); i += 2)
      std::memcpy(&out.bytes[i * 2 + 2], &tensor.bytes[i], 2);
  }
  WriteFile(folder + "/model.safetensors", SafetensorsOf(wide));
  return folder;
}

// Logits of the columns where each token of the answer was chosen, [greedy, columns].
std::vector<float> LogitsOfAnswer(LocalForward& forward, const DemoGoldens& goldens,
                                  const DemoGolden& golden) {
  std::vector<int32_t> tokens = golden.prompt;
  tokens.insert(tokens.end(), golden.greedy.begin(), golden.greedy.end() - 1);
  const std::vector<float> all = forward.Logits(tokens);
  const size_t vocab = all.size() / tokens.size();
  std::vector<float> chosen;
  for (size_t position = golden.prompt.size() - 1; position < tokens.size(); ++position) {
    for (const size_t column : goldens.columns) chosen.push_back(all[position * vocab + column]);
  }
  return chosen;
}

double Deviation(const std::vector<float>& found, const std::vector<float>& expected) {
  EXPECT_EQ(found.size(), expected.size());
  float worst = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::fabs(found[i] - expected[i]));
    largest = std::max(largest, std::fabs(expected[i]));
  }
  return static_cast<double>(worst / largest);
}

// How many answers are transformers' token for token. One that is not must part where the
// runner-up was nearer than `gap`.
int SameAnswers(LocalForward& forward, const DemoGoldens& goldens, double gap) {
  int same = 0;
  for (const DemoGolden& golden : goldens.dialogues) {
    const std::vector<int32_t> found =
        forward.Greedy(golden.prompt, static_cast<int64_t>(golden.greedy.size()));
    const auto [at, _] = std::mismatch(found.begin(), found.end(), golden.greedy.begin());
    if (at == found.end()) {
      ++same;
    } else {
      const auto i = static_cast<size_t>(at - found.begin());
      EXPECT_LT(golden.gaps[i], gap) << "token " << i << " differs although the runner-up was far";
    }
  }
  return same;
}

TEST(DemoModelTest, LogitsAndAnswersInFloat32AreTransformers) {
  const DemoGoldens goldens = ReadDemoGoldens();
  ASSERT_EQ(goldens.dialogues.size(), 64u);
  LocalForward forward({.model = Float32Copy()});
  for (const DemoGolden& golden : goldens.dialogues)
    EXPECT_LT(Deviation(LogitsOfAnswer(forward, goldens, golden), golden.logits), 2e-4);
  EXPECT_EQ(SameAnswers(forward, goldens, 2e-4 * 30), 64);
}

TEST(DemoModelTest, Bf16StaysWithinWhatTransformersLosesInBf16) {
  const DemoGoldens goldens = ReadDemoGoldens();
  LocalForward forward({.model = kModel});
  std::vector<double> ours, theirs;
  for (const DemoGolden& golden : goldens.dialogues) {
    ours.push_back(Deviation(LogitsOfAnswer(forward, goldens, golden), golden.logits));
    theirs.push_back(golden.bf16_deviation);
  }
  std::sort(ours.begin(), ours.end());
  std::sort(theirs.begin(), theirs.end());
  for (const size_t quarter : {1, 2, 3})
    EXPECT_LE(ours[ours.size() * quarter / 4], theirs[theirs.size() * quarter / 4]);
}

TEST(DemoModelTest, AnswersInBf16AreTransformers) {
  const DemoGoldens goldens = ReadDemoGoldens();
  LocalForward forward({.model = kModel});
  // A gap below one is some 3 % of what logits can differ by: where bf16 turns that around, the
  // answer is another good one.
  const int same = SameAnswers(forward, goldens, 1.0);
  RecordProperty("same_answers_of_64", same);
  EXPECT_GE(same, 50);
}

}  // namespace
}  // namespace coterie
