// From requests to token constraints: the door of this folder.
//
// What the answers to a request may be:
//   response_format json_object  any JSON object
//                   json_schema  a value of the schema (schema_reader.h says what is read)
//   tools           auto         free text; from <|tool_call> on a call of a declared tool
//                   none         free text without calls
//                   required     one call or more
//                   named        the same, of this tool
//   both            auto         a call or more, or JSON
//                   none         JSON
//                   required …   calls only
// Before it a channel of reasoning may come, in which everything is free but the end of the answer.
// Without parallel_tool_calls there is one call, and the answer ends with it. When the grammar is
// complete only stop tokens may come.
#ifndef COTERIE_ROUTER_GRAMMAR_OUTPUT_CONSTRAINT_H_
#define COTERIE_ROUTER_GRAMMAR_OUTPUT_CONSTRAINT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/chat_json.h"
#include "model/chat_tokens.h"
#include "router/frontend/chat_request.h"
#include "router/grammar/grammar_vocabulary.h"
#include "router/grammar/output_plan.h"
#include "router/sampling/token_constraint.h"

namespace coterie {

// What of a chat request decides.
struct ChatOutputRules {
  ResponseFormat response_format;
  std::vector<ChatJson> tools;  // as OpenAI declares them
  ToolChoice tool_choice = ToolChoice::kAuto;
  std::string tool_name;  // of kNamed
  bool parallel_tool_calls = true;
  bool starts_in_channel = false;  // the prompt ended inside an open one (ChatPrompt)
};

// Makes the constraints of one chat request's sequences; an empty function when everything may
// come.
//
// `stop_tokens`: what the engine ends a sequence at; with ignore_eos none, and then the constraint
// is over when its grammar is complete. <|tool_response> may end calls, and JSON only where there
// is no other. `vocabulary` is not owned, outlives the factory and what it makes.
//
// InvalidArgument, naming the field and the place in it ("response_format.json_schema.schema at
// /properties/x: …"): a schema that is not supported or has no values, a tool without a usable
// name, a tool_choice that names none. A tool's parameters are refused only if the tool is
// `strict`; of others that cannot be expressed any object is let through. Thread-safe.
absl::StatusOr<TokenConstraintFactory> ConstrainChat(const ChatOutputRules& rules,
                                                     const GrammarVocabulary* vocabulary,
                                                     const ChatTokens& tokens,
                                                     std::vector<int32_t> stop_tokens);

// The same for a prompt that is continued as it is: no channel, no tools.
absl::StatusOr<TokenConstraintFactory> ConstrainText(const ResponseFormat& format,
                                                     const GrammarVocabulary* vocabulary,
                                                     std::vector<int32_t> stop_tokens);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_OUTPUT_CONSTRAINT_H_
