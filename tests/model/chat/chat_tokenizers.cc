#include "tests/model/chat/chat_tokenizers.h"

#include <fstream>
#include <iterator>
#include <utility>

#include "kernels/check.h"

namespace coterie {

std::unique_ptr<const Tokenizer> ReadTokenizer(const std::string& name) {
  std::ifstream file("tests/golden/tokenizer/" + name + ".json");
  CHECK(file.good()) << name;
  const std::string json{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  auto vocabulary = VocabularyFromTokenizerJson(json);
  CHECK(vocabulary.ok()) << vocabulary.status().ToString();
  auto tokenizer = Tokenizer::Create(*std::move(vocabulary));
  CHECK(tokenizer.ok()) << tokenizer.status().ToString();
  return *std::move(tokenizer);
}

std::vector<std::string> ControlSpellings(const Tokenizer& tokenizer) {
  std::vector<std::string> spellings;
  for (int32_t id = 0; id < tokenizer.vocabulary().num_tokens(); ++id) {
    if (tokenizer.IsControl(id)) spellings.push_back(tokenizer.vocabulary().tokens[id]);
  }
  return spellings;
}

}  // namespace coterie
