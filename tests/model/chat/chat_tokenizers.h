// Tokenizers that know the chat format.
#ifndef COTERIE_TESTS_MODEL_CHAT_CHAT_TOKENIZERS_H_
#define COTERIE_TESTS_MODEL_CHAT_CHAT_TOKENIZERS_H_

#include <memory>
#include <string>
#include <vector>

#include "model/tokenizer.h"

namespace coterie {

// tests/golden/tokenizer/NAME.json. Aborts when it is not there.
std::unique_ptr<const Tokenizer> ReadTokenizer(const std::string& name);

// The spellings of all control tokens.
std::vector<std::string> ControlSpellings(const Tokenizer& tokenizer);

}  // namespace coterie

#endif  // COTERIE_TESTS_MODEL_CHAT_CHAT_TOKENIZERS_H_
