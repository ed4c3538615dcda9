#include "tests/testing/goldens.h"

#include <fstream>
#include <sstream>

#include "kernels/check.h"

namespace coterie {
namespace {

const std::string kFolder = "tests/golden/logits/";

std::vector<std::string> Lines(const std::string& name) {
  std::ifstream file(kFolder + name);
  CHECK(file.good()) << kFolder << name;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

}  // namespace

std::vector<Golden> ReadGoldens() {
  std::vector<Golden> goldens;
  const std::vector<std::string> prompts = Lines("prompts.txt"),
                                 deviations = Lines("deviation.txt"), greedy = Lines("greedy.txt");
  std::ifstream logits(kFolder + "logits.f32", std::ios::binary);
  for (size_t i = 0; i < prompts.size(); ++i) {
    Golden golden;
    std::istringstream ids(prompts[i]), steps(greedy[i]);
    for (int32_t id; ids >> id;) golden.prompt.push_back(id);
    double gap = 0;
    for (int32_t id; steps >> id >> gap;) {
      golden.greedy.push_back(id);
      golden.gaps.push_back(gap);
    }
    golden.bf16_deviation = std::stod(deviations[i]);
    golden.logits.resize(golden.prompt.size() * kTinyVocab);
    logits.read(reinterpret_cast<char*>(golden.logits.data()),
                static_cast<std::streamsize>(golden.logits.size() * sizeof(float)));
    CHECK(logits.good());
    goldens.push_back(std::move(golden));
  }
  return goldens;
}

std::vector<GoldenRoute> ReadGoldenRoutes() {
  std::vector<GoldenRoute> routes;
  std::ifstream inputs(kFolder + "gate_input.f32", std::ios::binary);
  for (const std::string& line : Lines("gate.txt")) {
    std::istringstream fields(line);
    GoldenRoute route;
    fields >> route.prompt >> route.layer >> route.position;
    double weight = 0;
    for (int32_t expert; fields >> expert >> weight;) {
      route.experts.push_back(expert);
      route.weights.push_back(weight);
    }
    route.input.resize(kTinyModelDim);
    inputs.read(reinterpret_cast<char*>(route.input.data()),
                static_cast<std::streamsize>(route.input.size() * sizeof(float)));
    CHECK(inputs.good());
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace coterie
