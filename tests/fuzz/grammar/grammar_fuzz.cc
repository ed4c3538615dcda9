// A JSON schema from a stranger. The first byte says what it is for: an answer, a tool's
// parameters, strict or not; and it seeds a walk. The rest is the schema.
//
// Beside not crashing: what is refused is refused as the caller's fault; what is not refused lets a
// token through at every step of a walk; neither takes long.
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kernels/check.h"
#include "model/chat_json.h"
#include "router/grammar/output_constraint.h"
#include "tests/fuzz/grammar/schema_soup.h"
#include "tests/router/grammar/grammar_models.h"
#include "tests/router/grammar/grammar_walk.h"

namespace coterie {
namespace {

constexpr int kStepsMax = 20;

absl::StatusOr<TokenConstraintFactory> Compile(uint8_t kind, const ChatJson& schema) {
  const GrammarModel& model = SmallModel();
  ChatOutputRules rules;
  if (kind % 3 == 0) {
    rules.response_format.kind = ResponseFormat::Kind::kJsonSchema;
    rules.response_format.schema = schema;
  } else {
    rules.tools.push_back(
        {{"function", {{"name", "f"}, {"parameters", schema}, {"strict", kind % 3 == 1}}}});
    rules.tool_choice = ToolChoice::kRequired;
  }
  return ConstrainChat(rules, model.vocabulary.get(), model.tokens, model.stop_tokens);
}

void Run(absl::string_view input) {
  if (input.empty()) return;
  const auto kind = static_cast<uint8_t>(input.front());
  const absl::StatusOr<ChatJson> schema =
      kind < 0x80 ? ParseChatJson(input.substr(1)) : SchemaSoup(input.substr(1));
  if (!schema.ok()) return;
  const auto factory = Compile(kind, *schema);
  if (!factory.ok()) {
    CHECK(factory.status().code() == absl::StatusCode::kInvalidArgument)
        << factory.status().ToString();
    CHECK(kind % 3 != 2) << factory.status().ToString();
    return;
  }
  const auto constraint = (*factory)();
  std::mt19937_64 random(kind);
  for (int step = 0; step < kStepsMax; ++step) {
    const std::vector<int32_t> allowed = Allowed(SmallModel(), constraint.get());
    CHECK(!allowed.empty());
    // Control tokens first, now and then: they lead into the call.
    const size_t drawn = random() % 4 == 0 ? 0 : random() % allowed.size();
    constraint->Append(allowed[drawn]);
    if (!constraint->active()) return;
    // Behind a stop token nothing comes.
    for (int32_t stop : SmallModel().stop_tokens) {
      if (allowed[drawn] == stop) return;
    }
  }
}

}  // namespace
}  // namespace coterie

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  coterie::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
