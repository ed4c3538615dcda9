// Outputs of a model, drawn from a seed, with what is to come of them.
#ifndef COTERIE_TESTS_MODEL_CHAT_DRAWN_OUTPUT_H_
#define COTERIE_TESTS_MODEL_CHAT_DRAWN_OUTPUT_H_

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/chat_json.h"
#include "model/chat_tokens.h"
#include "model/tokenizer.h"

namespace coterie {

class DrawnOutput {
 public:
  struct Call {
    std::string name;
    ChatJson arguments;
  };

  // `tokenizer` is not owned, outlives this.
  DrawnOutput(const Tokenizer* tokenizer, uint64_t seed);

  // What the model says, and where it begins.
  std::vector<int32_t> ids;
  bool starts_in_channel = false;
  std::optional<int32_t> stop_token;

  // What is to be read.
  std::string reasoning, content;
  std::vector<Call> calls;

 private:
  bool Chance(uint64_t one_in) { return random_() % one_in == 0; }
  std::string Text(int num_characters_max);
  std::string Key();
  ChatJson Value(int depth);
  ChatJson Object(int depth);

  void Say(absl::string_view text);
  void SayReasoning(bool in_open_channel, bool last);
  void SayContent();
  void SayCall();
  void SayStray();

  const Tokenizer* const tokenizer_;
  const ChatTokens tokens_;
  std::mt19937_64 random_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_MODEL_CHAT_DRAWN_OUTPUT_H_
